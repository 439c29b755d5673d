import t from 'tap';
import { fromGoFlags, type FlagKind } from '../../../src/cli/go-flags.js';

const KINDS = new Map<string, FlagKind>([
  ['iface', 'list'],
  ['etcd-prefix', 'value'],
  ['ip-masq', 'switch'],
  ['v', 'value'],
  ['log_backtrace_at', 'value'],
]);

t.test("Go's syntax", async t => {
  const table: readonly (readonly [words: string, args: string[], missing?: string])[] = [
    ['-iface=eth1 --iface=eth2', ['--iface=eth1', '--iface=eth2']],
    ['-iface eth1 --iface eth2', ['--iface=eth1', '--iface=eth2']],
    ['-ip-masq', ['--ip-masq=true']],
    ['--ip-masq=false -iface eth1', ['--ip-masq=false', '--iface=eth1']],
    ['--ip-masq false', ['--ip-masq=true', 'false']],
    ['-v 4 -v=5 -log_backtrace_at x:1', ['--v=4', '--v=5', '--log_backtrace_at=x:1']],
    ['-iface -ip-masq', ['--iface=-ip-masq']],
    ['--etcd-prefix=/a=b', ['--etcd-prefix=/a=b']],
    ['--etcd-prefix=', ['--etcd-prefix=']],
    ['-bogus=1 stray -x --', ['-bogus=1', 'stray', '-x', '--']],
    ['-- -iface eth1', ['--', '-iface', 'eth1']],
    ['-help', ['--help']],
    ['-h', ['-h']],
    ['-ip-masq -iface', ['--ip-masq=true'], 'iface'],
    ['', []],
  ];
  for (const [words, args, missing] of table) {
    t.same(fromGoFlags(words === '' ? [] : words.split(' '), KINDS), { args, missing }, words);
  }
  t.same(fromGoFlags(['--iface=a\nb', '---iface', '-'], KINDS).args, ['--iface=a\nb', '---iface', '-']);
});
