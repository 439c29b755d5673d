/**
 * Shell functions: `pids_of FILE...` of files of /proc, and `occupants NAME`: whom to kill before a network namespace is
 * deleted, since nobody could find such a process afterwards.
 *
 * `ip netns exec` has the namespace's name among its arguments until it has entered it and become the program. Who is
 * about to enter is looked for first, so that nobody slips from one list to the other unseen; the name goes to `grep`
 * through a pipe, so that it does not find itself.
 */
export const OCCUPANTS = `
pids_of() {
  for file in "$@"; do pid=\${file#/proc/}; echo "\${pid%%/*}"; done
}
occupants() {
  for file in $(printf '%s\\n' "$1" | grep -lszxF -f - /proc/[0-9]*/cmdline); do
    case "$(tr '\\0' ' ' <"$file")" in
    "ip netns exec $1 "*) pids_of "$file" ;;
    esac
  done
  ip netns pids "$1"
} 2>/dev/null
`;
