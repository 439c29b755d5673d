/** Without a raw socket: why, and what to do, where the package is missing, not built, or fails. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import t, { type Test } from 'tap';
import type * as IcmpSocketModule from '../../../src/probe/icmp-socket.js';

const PROJECT = fileURLToPath(new URL('../../../..', import.meta.url));
const SOURCES = fileURLToPath(new URL('../../../src', import.meta.url));

/** Our code installed elsewhere, beside a package raw-socket of this text, or none. */
async function openBeside(t: Test, text: string | undefined): Promise<unknown> {
  // Not below this project, whose packages would be found.
  const directory = mkdtempSync(join(tmpdir(), 'selvedge-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'package.json'), '{"type":"module"}');
  for (const name of ['probe', 'address'])
    cpSync(join(SOURCES, name), join(directory, 'src', name), { recursive: true });
  mkdirSync(join(directory, 'node_modules'));
  symlinkSync(join(PROJECT, 'node_modules', 'ip-cidr'), join(directory, 'node_modules', 'ip-cidr'));
  if (text !== undefined) {
    mkdirSync(join(directory, 'node_modules', 'raw-socket'), { recursive: true });
    writeFileSync(join(directory, 'node_modules', 'raw-socket', 'index.cjs'), text);
    writeFileSync(join(directory, 'node_modules', 'raw-socket', 'package.json'), '{"main":"index.cjs"}');
  }
  const path = pathToFileURL(join(directory, 'src', 'probe', 'icmp-socket.js')).href;
  const { openIcmpSocket } = (await import(path)) as typeof IcmpSocketModule;
  const nothing = () => undefined;
  try {
    return openIcmpSocket({ onPacket: nothing, onSendError: nothing, onEnd: nothing });
  } catch (error) {
    return error;
  }
}

const throwing = (message: string) =>
  `exports.createSocket = () => { throw new Error(${JSON.stringify(message)}); };`;

t.test('why there are no probes, and what to do', async t => {
  const table: readonly (readonly [
    what: string,
    text: string | undefined,
    message: RegExp,
    remedy: RegExp,
  ])[] = [
    ['left out', undefined, /cannot be loaded: Cannot find module 'raw-socket'$/, /install selvedge again/],
    [
      'not built',
      "require('./build/Release/raw.node')",
      /Cannot find module '.\/build/,
      /npm rebuild raw-socket/,
    ],
    ['not allowed', throwing('Operation not permitted'), /^no raw socket: Operation/, /CAP_NET_RAW/],
    ['no more files', throwing('Too many open files'), /^no raw socket: Too many/, /ulimit -n/],
  ];
  for (const [what, text, message, remedy] of table) {
    await t.test(what, async t => {
      t.match(await openBeside(t, text), { name: 'ProbesUnavailableError', message, remedy });
    });
  }
});
