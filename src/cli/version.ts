/** `selvedge version`. */
import { Command } from 'commander';
import { VERSION } from '../daemon/version.js';

/** The command: one line with our version and Node's. */
export function versionCommand(): Command {
  return new Command('version')
    .description('Prints the version of selvedge and of Node.')
    .addHelpText('after', '\nExample:\n  selvedge version')
    .action(() => {
      process.stdout.write(`selvedge ${VERSION} (node ${process.version})\n`);
    });
}
