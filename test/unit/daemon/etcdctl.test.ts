import { execFileSync } from 'node:child_process';
import t from 'tap';
import { firstConfigCommand, leasesCommand, putConfigCommand } from '../../../src/daemon/etcdctl.js';

t.test('the command that puts a config back', async t => {
  const document = '{\n  "Network": "10.5.0.0/16",\n "Backend": {"Type": "vxlan"}}';
  t.equal(
    putConfigCommand('/net/config', document, {
      endpoints: ['http://10.0.0.1:2379', 'http://10.0.0.2:2379'],
    }),
    `etcdctl --endpoints http://10.0.0.1:2379,http://10.0.0.2:2379 put /net/config '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}'`,
  );
});

t.test('the command that puts the first one can be pasted as it is', async t => {
  const command = firstConfigCommand('/net/config', { endpoints: [] });
  const script = `etcdctl() { printf '%s\\n' "$@"; }; ${command}`;
  const words = execFileSync('/bin/sh', ['-c', script], { encoding: 'utf8' }).split('\n');
  t.same(words, ['put', '/net/config', '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}', '']);
});

t.test('the command that lists the leases', async t => {
  const nothing = { caFile: undefined, certFile: undefined, keyFile: undefined };
  const open = { ...nothing, username: undefined, passwordFile: undefined };
  t.equal(
    leasesCommand({ ...open, endpoints: ['http://a:1', 'http://b:1'], prefix: '/net' }),
    'selvedge leases --etcd-endpoints http://a:1,http://b:1 --etcd-prefix /net',
  );
  const files = { caFile: '/ca', certFile: '/c', keyFile: '/the key' };
  t.equal(
    leasesCommand({
      ...files,
      endpoints: ['https://a:1'],
      prefix: '/net',
      username: 'bob',
      passwordFile: '/p',
    }),
    "selvedge leases --etcd-endpoints https://a:1 --etcd-prefix /net --etcd-cafile /ca --etcd-certfile /c --etcd-keyfile '/the key' --etcd-username bob --etcd-password-file /p",
  );
});

t.test('a shell reads back the document, whatever is in it', async t => {
  const note = `it's "$HOME" \`id\` \\ ü \u{1f600} \u202e \u0007`;
  const command = putConfigCommand('/net/config', JSON.stringify({ note }));
  t.match(command, /^[\x20-\x7e]+$/, 'one printable line');
  const printed = execFileSync('/bin/sh', ['-c', `etcdctl() { printf %s "$3"; }; ${command}`], {
    encoding: 'utf8',
  });
  t.strictSame(JSON.parse(printed), { note });
});
