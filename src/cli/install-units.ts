/** `selvedge install-units`: the service and all that belongs to it, put in place. */
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { installUnits, type Installation } from '../daemon/install-units.js';
import { messageOf } from '../daemon/operator-error.js';
import { EXIT } from './exit-codes.js';

const EXAMPLES = `
A file that you have changed is kept; the new one is put beside it, with
.selvedge-new at the end of its name. Where docker.service does not take
$DOCKER_NETWORK_OPTIONS, a drop-in repeats its command line with it.

Examples:
  selvedge install-units --dry-run
  selvedge install-units
  selvedge install-units --root /mnt/image

Exit codes: 0 all files are in place, 1 a file that you have changed was kept,
2 a file cannot be written, 64 usage.`;

/** On this host; the first two, for they are easily forgotten, and the start would wait for them. */
const AFTERWARDS = `
next
  etcdctl put /net/config '{"Network": "10.5.0.0/16"}'       (once for all hosts, with a network of yours)
  SELVEDGE_ETCD_ENDPOINTS=… in /etc/default/selvedge         (where your etcd is)
  systemd-sysusers selvedge.conf && systemd-tmpfiles --create selvedge.conf
  systemctl daemon-reload
  systemctl enable --now selvedge                            (waits for etcd and the config)
  systemctl restart docker
`;

/** In a file system that is not this host's nothing can be started. */
const inImage = (root: string) => `
next
  systemctl --root=${root} enable selvedge
  SELVEDGE_ETCD_ENDPOINTS=… in ${join(root, 'etc/default/selvedge')}
`;

interface Flags {
  readonly root: string;
  readonly dryRun?: true;
}

/** The command. Root writes to /etc. */
export function installUnitsCommand(): Command {
  return new Command('install-units')
    .description('Puts the systemd units and the files that belong to them in place.')
    .option('--root <dir>', 'the file system to put them in', '/')
    .option('--dry-run', 'say what would be written, and write nothing')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: Flags) => {
      process.exitCode = await install(flags);
    });
}

async function install({ root, dryRun = false }: { root: string; dryRun?: boolean }): Promise<number> {
  try {
    const installation = await installUnits({ root: resolve(root), dryRun });
    process.stdout.write(render(installation, dryRun, resolve(root)));
    return installation.files.some(({ result }) => result === 'kept') ? EXIT.degraded : EXIT.healthy;
  } catch (error) {
    process.stderr.write(`selvedge install-units: ${messageOf(error)}\n`);
    return EXIT.trouble;
  }
}

function render({ files, notes }: Installation, dryRun: boolean, root: string): string {
  const words = {
    written: dryRun ? 'would write ' : 'written     ',
    unchanged: 'unchanged   ',
    kept: 'kept        ',
  };
  const lines = files.map(({ path, result }) => {
    const beside = `${dryRun ? 'would be' : 'is'} beside it, ${path}.selvedge-new`;
    return `${words[result]} ${path}${result === 'kept' ? ` (you have changed it; the new one ${beside})` : ''}`;
  });
  const afterwards = root === '/' ? AFTERWARDS : inImage(root);
  const isNew = files.some(({ result }) => result === 'written') && !dryRun;
  return `${[...lines, ...notes.map(note => `note: ${note}`)].join('\n')}\n${isNew ? afterwards : ''}`;
}
