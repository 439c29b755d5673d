/** The host-gw backend: peers on one link route to each other without encapsulation (flannel's pkg/backend/hostgw). Pure. */
import { refuseOtherBackend, underlayRoute, type Backend, type BackendType } from './backend.js';

export const hostGw: BackendType = {
  type: 'host-gw',
  configure: settings => ({
    ok: true,
    backend,
    notes: Object.keys(settings).map(name => `unknown field Backend.${name} is ignored`),
  }),
};

const backend: Backend = {
  type: 'host-gw',
  device: undefined,
  port: undefined,
  overhead: 0,
  followsRoutes: false,
  cannotRun: underlay =>
    underlay.publicIp === underlay.address
      ? undefined
      : `host-gw needs the public IP to be the address of the interface, but ${underlay.publicIp} is not ` +
        `${underlay.address} of ${underlay.device}: peers could not use it as a gateway (use vxlan across a NAT)`,
  forwardDevices: underlay => [underlay.device],
  mtu: underlay => underlay.mtu,
  leaseData: () => ({ backendType: 'host-gw' }),
  publishedMac: () => undefined,
  judge: lease =>
    lease.backendType === 'host-gw' ? { ok: true, claims: [] } : refuseOtherBackend(lease, 'host-gw'),
  planHost: () => ({ links: [], entries: [] }),
  planPeer: (lease, self) => [underlayRoute(lease, self.underlay)],
  vtepAddress: () => undefined,
  pathTo: () => 'host-gw',
};
