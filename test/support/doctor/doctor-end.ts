/**
 * A doctor that stays, a program: `node doctor-end.js OPTION…` with the options of `selvedge doctor`, in a host's
 * namespace, with an IPC channel. It looks at its start, and again for every request; a document answers.
 */
import { AgentOptionsCommand } from '../../../src/cli/agent-options-command.js';
import { lookAtHost } from '../../../src/cli/doctor.js';
import { EXIT } from '../../../src/cli/exit-codes.js';

/** Look again. */
export type LookRequest = Readonly<Record<string, never>>;

process.on('disconnect', () => process.exit(0));

await new AgentOptionsCommand('doctor', async options => {
  const look = async () => process.send?.((await lookAtHost(options)).document);
  process.on('message', () => void look());
  await look();
  return EXIT.healthy;
}).parseAsync(process.argv.slice(2), { from: 'user' });
