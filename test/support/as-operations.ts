/** A batch of operations that say themselves what they are. */
import type { BatchForm, Operation } from '../../src/dataplane/netlink/exchange.js';

export const AS_OPERATIONS: BatchForm<Operation> = {
  type: item => item.type,
  flags: item => item.flags,
  describe: item => item.describe(),
  write: (writer, item) => item.write(writer),
  isAlike: () => false,
  rewrite: () => undefined,
};
