/** What an output can show. Pure. */

/**
 * Whether colours are wanted: on a terminal, unless NO_COLOR is set to anything (no-color.org) or the terminal is dumb.
 */
export function hasColour(output: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  return output.isTTY === true && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb';
}
