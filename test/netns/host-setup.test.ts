/** `selvedge host-setup` on a host whose sysctls and firewall are the test's own. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { closedNftChains } from '../../src/daemon/host-setup/input-chains.js';
import { inNamespace, ip } from '../support/in-namespace.js';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const RP_FILTER = '/proc/sys/net/ipv4/conf/flannel.7/rp_filter';

void inNamespace(t, import.meta.url, async () => {
  const selvedge = (...words: string[]) =>
    spawnSync(process.execPath, [MAIN, 'host-setup', '--state-dir', '/nonexistent', ...words], {
      encoding: 'utf8',
    });
  const nft = (text: string) =>
    spawnSync('nft', ['-f', '-'], { input: `flush ruleset\n${text}`, encoding: 'utf8' });
  const ruleset = () => spawnSync('nft', ['--json', 'list', 'ruleset'], { encoding: 'utf8' }).stdout;

  t.test('what is lacking is said, then mended once', async t => {
    ip('link', 'add', 'flannel.7', 'type', 'veth', 'peer', 'name', 'other');
    writeFileSync(RP_FILTER, '1\n');
    const check = selvedge('--check');
    t.equal(check.status, 1);
    t.match(
      check.stdout,
      /rp_filter of flannel.7 is strict: .*\n {2}next {2}sysctl -w net\/ipv4\/conf\/flannel.7\/rp_filter=2/,
    );
    t.equal(readFileSync(RP_FILTER, 'utf8'), '1\n', 'nothing is changed');
    t.match(selvedge(), { status: 0, stderr: '', stdout: /rp_filter of flannel.7 is strict/ });
    t.equal(readFileSync(RP_FILTER, 'utf8'), '2\n');
    t.equal(selvedge().stdout, '', 'and not again');
  });

  t.test('a sysctl that cannot be written is a line, and no failure', async t => {
    writeFileSync(RP_FILTER, '1\n');
    const words = [
      '--mount',
      'sh',
      '-c',
      'mount --bind -o ro /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys; exec "$@"',
      'sh',
    ];
    const { status, stdout } = spawnSync('unshare', [...words, process.execPath, MAIN, 'host-setup'], {
      encoding: 'utf8',
    });
    t.equal(status, 0);
    t.match(
      stdout,
      /next {2}sysctl -w net\/ipv4\/conf\/flannel.7\/rp_filter=2 \(not possible from here: EROFS/,
    );
  });

  t.test('a firewall that lets the overlay not in', async t => {
    const table: readonly (readonly [chain: string, closed: readonly string[]])[] = [
      ['type filter hook input priority 0; policy accept;', []],
      ['type filter hook input priority 0; policy drop;', ['inet host in']],
      ['type filter hook input priority 0; policy drop; udp dport 8472 accept;', []],
      ['type filter hook input priority 0; policy drop; udp dport { 53, 8472 } accept;', []],
      ['type filter hook input priority 0; policy accept; iif lo accept; counter reject;', ['inet host in']],
      ['type filter hook input priority 0; policy accept; ip saddr 10.0.0.1 drop;', []],
      ['type filter hook forward priority 0; policy drop;', []],
    ];
    for (const [chain, closed] of table) {
      t.equal(nft(`table inet host { chain in { ${chain} }; }`).stderr, '');
      t.same(closedNftChains(ruleset(), 8472), closed, chain);
    }
    nft('table inet host { chain in { type filter hook input priority 0; policy drop; }; }');
    const { status, stdout } = selvedge('--check');
    t.equal(status, 1);
    t.match(
      stdout,
      /the firewall drops what it does not know \(inet host in\), and no rule names UDP port 8472/,
    );
  });
});
