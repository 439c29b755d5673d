/** What is done about a device. */
import t from 'tap';
import type { HeldLink, HeldVxlan } from '../../../src/dataplane/kernel.js';
import { planLink, type LinkStep } from '../../../src/dataplane/links.js';
import type { VxlanLink } from '../../../src/dataplane/model.js';
import { DEVICE, OWN_MAC, UNDERLAY, vxlanLink } from '../../support/dataplane.js';

const UP0: HeldLink = { name: UNDERLAY, index: 2, kind: '', mtu: 1500, mac: '02:00:00:00:00:02', up: true };
const VXLAN: HeldVxlan = {
  vni: 1,
  port: 8472,
  underlayIndex: 2,
  local: '192.168.77.1',
  learning: false,
  gbp: false,
};
const notVxlan: HeldLink = { name: DEVICE, index: 7, kind: 'bridge', mtu: 1450, mac: OWN_MAC, up: true };
const fitting: HeldLink = { ...notVxlan, kind: 'vxlan', vxlan: VXLAN };

const change = (what: Extract<LinkStep, { kind: 'change' }>['change']): LinkStep => ({
  kind: 'change',
  change: what,
});
const recreate = (why: string): LinkStep => ({ kind: 'recreate', why });
const refuse = (why: string): LinkStep => ({ kind: 'refuse', why });

const TABLE: readonly {
  readonly what: string;
  readonly wanted?: Partial<VxlanLink>;
  readonly held: readonly HeldLink[];
  readonly step: LinkStep;
}[] = [
  { what: 'absent', held: [UP0], step: { kind: 'create' } },
  { what: 'as it should be', held: [fitting, UP0], step: { kind: 'keep' } },
  { what: 'MTU', wanted: { mtu: 1400 }, held: [UP0, fitting], step: change({ mtu: 1400 }) },
  {
    what: 'MAC',
    wanted: { mac: '02:53:00:00:00:01' },
    held: [UP0, fitting],
    step: change({ mac: '02:53:00:00:00:01' }),
  },
  {
    what: 'local address',
    wanted: { local: '192.168.77.9' },
    held: [UP0, fitting],
    step: change({ local: '192.168.77.9' }),
  },
  { what: 'learning', wanted: { learning: true }, held: [UP0, fitting], step: change({ learning: true }) },
  { what: 'down', held: [UP0, { ...fitting, up: false }], step: change({ up: true }) },
  {
    what: 'all of it',
    wanted: { mtu: 1400, learning: true, local: '192.168.77.9' },
    held: [UP0, { ...fitting, up: false, mac: undefined }],
    step: change({ mtu: 1400, mac: OWN_MAC, local: '192.168.77.9', learning: true, up: true }),
  },
  { what: 'VNI', wanted: { vni: 2 }, held: [UP0, fitting], step: recreate('VNI is 1, not 2') },
  { what: 'port', wanted: { port: 4789 }, held: [UP0, fitting], step: recreate('port is 8472, not 4789') },
  { what: 'GBP', wanted: { gbp: true }, held: [UP0, fitting], step: recreate('GBP is false, not true') },
  {
    what: 'another underlay',
    held: [{ ...UP0, index: 3 }, fitting],
    step: recreate('underlay index is 2, not 3'),
  },
  {
    what: 'what can be changed and what cannot',
    wanted: { vni: 2, port: 4789, mtu: 1400 },
    held: [UP0, fitting],
    step: recreate('VNI is 1, not 2, port is 8472, not 4789'),
  },
  {
    what: 'a bridge of that name',
    held: [UP0, notVxlan],
    step: refuse('the name is taken by a bridge device'),
  },
  {
    what: 'a physical device of that name',
    held: [UP0, { ...notVxlan, kind: '' }],
    step: refuse('the name is taken by a device that is not virtual'),
  },
  { what: 'no underlay', held: [fitting], step: refuse('its underlay up0 does not exist') },
  { what: 'nothing at all', held: [], step: refuse('its underlay up0 does not exist') },
];

for (const { what, wanted, held, step } of TABLE)
  t.test(what, async t => t.same(planLink(vxlanLink(wanted), held), step));
