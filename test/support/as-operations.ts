/** A batch of operations that say themselves what they are. */
import { NLM_F_REQUEST } from '../../src/dataplane/netlink/constants.js';
import type { BatchForm, Operation } from '../../src/dataplane/netlink/exchange.js';

export const AS_OPERATIONS: BatchForm<Operation> = {
  type: item => item.type,
  describe: item => item.describe(),
  write(writer, items, start, end, sequence) {
    for (const [index, item] of items.slice(start, end).entries()) {
      writer.beginMessage(item.type, item.flags | NLM_F_REQUEST, sequence + index);
      item.write(writer);
      writer.endMessage();
    }
  },
};
