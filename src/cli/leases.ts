/** `selvedge leases`: who has which subnet, told and changed in etcd itself; no agent is needed. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { pino } from 'pino';
import { familyOf, parseIp, type IpAddress } from '../address/ip.js';
import { parsePrefix, type Prefix } from '../address/prefix.js';
import { openStore } from '../daemon/open-store.js';
import { OperatorError } from '../daemon/operator-error.js';
import { ETCD_OPTION_ROWS, type EtcdOptionName } from '../daemon/options-table.js';
import { resolveEtcdOptions } from '../daemon/options.js';
import { listLeases } from '../subnet/lease-list.js';
import { readLeaseTimes } from '../subnet/lease-times.js';
import { StoreError, type Store } from '../subnet/store.js';
import { addOptions, givenFlags } from './agent-options.js';
import { EXIT, EXIT_FOR_FAULTS } from './exit-codes.js';
import { release, reserve, type Answer } from './leases-change.js';
import { buildLeases, type LeasesDocument } from './leases-document.js';
import { readNetwork, type NetworkView } from './leases-network.js';
import { renderLeases } from './leases-text.js';
import { printable, printableJson } from './printable.js';
import { resolveBeside, someBesideUnit, unknownToUs } from './unit-options.js';

const ETCD_NAMES = new Set<string>(ETCD_OPTION_ROWS.map(([name]) => name));

/** What says whose leases are changed. */
const PLACE = ['etcd-endpoints', 'etcd-prefix'] as const;

const CODES = `
Exit codes: 0 done, 1 nothing to do or refused as things are, 2 trouble with
etcd, or what can never be, 64 usage.`;

const EXAMPLES = `
The etcd options are the agent's and go behind every subcommand; the environment
(SELVEDGE_ETCD_ENDPOINTS, FLANNELD_ETCD_ENDPOINTS …) counts too, and then what the
files of the agent's systemd unit say (/etc/default/selvedge …).

Examples:
  selvedge leases
  selvedge leases -o json | jq '.leases[] | select(.state != "ok")'
  selvedge leases reserve 10.5.7.0/24 --public-ip 192.0.2.7
  selvedge leases release 10.5.7.0/24
${CODES}`;

const ETCD = 'The etcd options of "selvedge leases --help" go here too.';

const RESERVE = `
Its host gets the subnet when its agent starts, keeps it through restarts, and
it never expires. What the host holds now becomes a reservation without any
traffic noticing. A flanneld makes an ordinary lease of it.
${ETCD}

Example:
  selvedge leases reserve 10.5.7.0/24 --public-ip 192.0.2.7
${CODES}`;

const RELEASE = `
A reservation that nobody uses is deleted. One that a host uses becomes an
ordinary lease. A lease is deleted when its host has not renewed it for two
minutes (for two thirds of its time, if that is shorter) and is no flanneld, or
with --force.
${ETCD}

Example:
  selvedge leases release 10.5.7.0/24
${CODES}`;

/** The command with its subcommands; without one it lists. */
export function leasesCommand(): Command {
  const command = new Command('leases')
    .description('Lists the leases of the network in etcd; reserves a subnet, or gives one back.')
    .addHelpText('after', EXAMPLES);
  addOptions(command, ETCD_OPTION_ROWS);
  command
    .command('list', { isDefault: true })
    .summary('all leases, by subnet')
    .description('Lists all leases, by subnet, with what the hosts think of each.')
    .addOption(
      new Option('-o, --output <form>', 'form of the answer').choices(['plain', 'json']).default('plain'),
    )
    .addHelpText('after', EXAMPLES)
    .action(({ output }: { output: 'plain' | 'json' }) =>
      atEtcd(command, 'leases', [], (store, prefix) => list(store, prefix, output)),
    );
  command
    .command('reserve')
    .summary('keep a subnet for one host for ever')
    .description('Reserves a subnet for the host with this public IP.')
    .argument('<subnet>', 'such as 10.5.7.0/24', parseSubnet)
    .addOption(
      new Option('--public-ip <IP>', 'address that other hosts send to')
        .argParser(parsePublicIp)
        .makeOptionMandatory(),
    )
    .addHelpText('after', RESERVE)
    .action((subnet: Prefix, { publicIp }: { publicIp: IpAddress }) =>
      atEtcd(command, 'leases reserve', PLACE, async (store, prefix) =>
        tell('leases reserve', await reserve(store, prefix, { subnet, publicIp })),
      ),
    );
  command
    .command('release')
    .summary('give a subnet back')
    .description('Ends a reservation, or deletes the lease of a host that is gone.')
    .argument('<subnet>', 'such as 10.5.7.0/24', parseSubnet)
    .option('--force', 'also when its host may still use it')
    .addHelpText('after', RELEASE)
    .action((subnet: Prefix, { force }: { force?: true }) =>
      atEtcd(command, 'leases release', PLACE, async (store, prefix) =>
        tell('leases release', await release(store, prefix, subnet, force === true)),
      ),
    );
  return command;
}

/**
 * Runs with the store that the options of the command name, and makes the exit code.
 * @param needed options that must not be guessed
 */
async function atEtcd(
  command: Command,
  name: string,
  needed: readonly EtcdOptionName[],
  run: (store: Store, prefix: string) => Promise<number>,
): Promise<void> {
  const complain = (lines: readonly string[]) =>
    process.stderr.write(lines.map(line => `selvedge ${name}: ${printable(line)}\n`).join(''));
  const gathered = await someBesideUnit(ETCD_NAMES, givenFlags(command, ETCD_OPTION_ROWS), process.env);
  complain(gathered.notes);
  const doubts = unknownToUs(gathered, needed);
  if (doubts.length > 0) {
    complain(doubts);
    process.exitCode = EXIT.trouble;
    return;
  }
  const resolved = resolveBeside(gathered, resolveEtcdOptions);
  complain(resolved.ok ? resolved.notes : resolved.faults);
  process.exitCode = resolved.ok ? EXIT.trouble : EXIT_FOR_FAULTS[resolved.source];
  if (!resolved.ok) return;
  let store: Store | undefined;
  try {
    store = await openStore(resolved.etcd, pino({ level: 'silent' }));
    process.exitCode = await run(store, resolved.etcd.prefix);
  } catch (error) {
    if (!(error instanceof OperatorError) && !(error instanceof StoreError)) throw error;
    const advice = error instanceof StoreError ? error.advice : undefined;
    complain([error.message, ...(advice ? [`cause: ${advice.cause}`, `next: ${advice.next}`] : [])]);
  } finally {
    store?.close();
  }
}

async function list(store: Store, prefix: string, output: 'plain' | 'json'): Promise<number> {
  const network = await readNetwork(store, prefix);
  const rules = network.config?.ok === true ? network.config.config : undefined;
  const leases = listLeases(
    network.entries,
    network.keyPrefix,
    // A judge that is no host: no lease can have its MAC.
    rules && { range: rules.range, judge: lease => rules.backend.judge(lease, { mac: undefined }) },
  );
  const times = await readLeaseTimes(
    store,
    leases.leases.map(({ leaseId }) => leaseId),
  );
  const document = buildLeases({ config: configState(network), range: rules?.range, list: leases, times });
  process.stdout.write(
    output === 'json' ? `${printableJson(document)}\n` : renderLeases(document, new Date()),
  );
  return rules === undefined ? EXIT.trouble : EXIT.healthy;
}

function configState({ config, configKey: key }: NetworkView): LeasesDocument['config'] {
  if (config === undefined) return { key, state: 'missing', faults: [] };
  return config.ok ? { key, state: 'usable', faults: [] } : { key, state: 'invalid', faults: config.faults };
}

function tell(name: string, { code, line }: Answer): number {
  const text = printable(line);
  if (code === EXIT.healthy) process.stdout.write(`${text}\n`);
  else process.stderr.write(`selvedge ${name}: ${text}\n`);
  return code;
}

function parseSubnet(text: string): Prefix {
  const subnet = parsePrefix(text);
  if (subnet?.family === 4) return subnet;
  throw new InvalidArgumentError('It must be an IPv4 subnet such as 10.5.7.0/24.');
}

function parsePublicIp(text: string): IpAddress {
  const address = parseIp(text);
  if (address !== undefined && familyOf(address) === 4) return address;
  throw new InvalidArgumentError('It must be an IPv4 address.');
}
