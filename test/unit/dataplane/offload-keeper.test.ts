/** What is done about a device's checksum offload, and what is said of it. */
import t from 'tap';
import { constants } from 'node:os';
import { NetlinkError } from '../../../src/dataplane/netlink/errors.js';
import type { HeldOffload, Offload } from '../../../src/dataplane/offload.js';
import { OffloadKeeper } from '../../../src/dataplane/offload-keeper.js';
import { recordedLog } from '../../support/recorded-log.js';

/** A device in memory. */
class Device implements Offload {
  writes = 0;
  obeys = true;
  readable = true;
  constructor(public held: HeldOffload) {}

  async read(): Promise<HeldOffload> {
    if (!this.readable) throw new NetlinkError('ethtool', constants.errno.ENODEV, 'features of flannel.1');
    return this.held;
  }

  async write(_device: string, value: 'on' | 'off'): Promise<void> {
    this.writes++;
    if (this.obeys) this.held = value;
  }
}

t.test('set once, and again when somebody sets it back', async t => {
  const device = new Device('on');
  const keeper = new OffloadKeeper(device, 'off', recordedLog().log);
  t.same(keeper.state, { wanted: 'off', held: undefined, error: undefined });
  t.equal(await keeper.ensure('flannel.1'), true);
  t.equal(await keeper.ensure('flannel.1'), false);
  device.held = 'on';
  t.equal(await keeper.ensure('flannel.1'), true);
  t.equal(device.writes, 2);
  t.same(keeper.state, { wanted: 'off', held: 'off', error: undefined });
});

t.test('without a wish it is left as found', async t => {
  for (const held of ['on', 'off', 'unsupported'] as const) {
    const device = new Device(held);
    const keeper = new OffloadKeeper(device, undefined, recordedLog().log);
    t.equal(await keeper.ensure('flannel.1'), false);
    t.same(keeper.state, { wanted: undefined, held, error: undefined });
    t.equal(device.writes, 0);
  }
});

t.test('what cannot be done is told once, and over when it is done', async t => {
  const { log, lines } = recordedLog();
  const device = new Device('unsupported');
  const keeper = new OffloadKeeper(device, 'off', log);
  const errorAfter = async (change: Partial<Pick<Device, 'held' | 'obeys' | 'readable'>>) => {
    Object.assign(device, change);
    await keeper.ensure('flannel.1');
    await keeper.ensure('flannel.1');
    return keeper.state.error ?? '';
  };
  t.match(await errorAfter({}), /cannot be turned off over netlink: this kernel is older than 5\.7/);
  t.match(await errorAfter({ held: 'on', obeys: false }), /stays on, although the kernel accepted off/);
  t.equal(await errorAfter({ readable: false }), 'features of flannel.1: ENODEV');
  t.equal(await errorAfter({ readable: true, obeys: true }), '');
  t.equal(lines.filter(line => line.level === 'warn').length, 3, 'three warnings');
  t.equal(device.writes, 3);
  const fine = new OffloadKeeper(new Device('unsupported'), 'on', log);
  await fine.ensure('flannel.1');
  t.equal(fine.state.error, undefined, 'on it is by itself');
});
