/** Whether the kernel sends packets to peers the way that was programmed. Pure. */
import type { RouteTo } from '../../dataplane/host-network.js';
import { row } from '../check.js';
import { finding, listed } from '../finding.js';
import { statusOf } from '../view.js';

export const wayChecks = [
  row('the way to the peers', ['ways'], ({ ways }, host) => {
    const status = statusOf(host);
    const paths = new Map(status?.peers.map(({ subnet, path }) => [subnet, path]));
    const overlay = status?.dataPlane?.device?.name;
    const isAstray = (route: RouteTo | undefined, path: string | undefined) =>
      path === 'vxlan' ? route?.device !== overlay : route === undefined || route.device === overlay;
    const astray = ways.flatMap(({ subnet, target, ofHost, ofContainers }) => {
      const path = paths.get(subnet);
      if (isAstray(ofHost, path)) return [{ subnet, target, what: 'packets', route: ofHost }];
      // That containers have no way may be their bridge's fault, and is told there.
      if (ofContainers === undefined || !isAstray(ofContainers, path)) return [];
      return [{ subnet, target, what: 'packets of containers', route: ofContainers }];
    });
    const [first] = astray;
    if (first === undefined) return [];
    const seen = listed(
      astray.map(
        ({ subnet, what, route }) =>
          `${what} to ${subnet} ${route === undefined ? 'have no way' : `leave by ${route.device}`}`,
      ),
    );
    return [
      finding(
        'route-shadowed',
        `the peer is programmed, and ${seen}`,
        'a rule of policy routing, or a route in table local or of a longer prefix, comes before the one that leads to the peer',
        `ip rule; ip route get fibmatch ${first.target}; ip route show table all`,
      ),
    ];
  }),
];
