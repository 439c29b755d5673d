/** Starts an agent on a host that holds none of its entries, and sees the peers' routes arrive. */
import { stat } from 'node:fs/promises';
import { readStatus } from '../../src/cli/agent-client.js';
import { RT_TABLE_MAIN, RTM_NEWROUTE, RTNLGRP_IPV4_ROUTE } from '../../src/dataplane/netlink/constants.js';
import { NotificationSocket } from '../../src/dataplane/netlink/notifications.js';
import { decodeRoute } from '../../src/dataplane/netlink/route.js';
import { LoggedProcess } from '../../src/demo/process.js';
import { waitFor, type Wait } from '../../src/demo/wait.js';
import { PEERS_DEADLINE_SECONDS, runsWith } from '../agent-lab.js';
import { SUBNET_LENGTH } from '../peers.js';
import { answer } from './answer.js';

export interface FirstStartTask {
  /** The agent's command line. */
  readonly argv: readonly string[];
  /** The file for what it prints. */
  readonly log: string;
  /** Its control socket. */
  readonly socket: string;
  /** The file that it writes last for Docker, and which is not there yet. */
  readonly envFile: string;
  /** Peers 1 to this number are in etcd. */
  readonly peers: number;
}

/** Milliseconds from the start of the process. */
export interface FirstStartAnswer {
  /**
   * Until the kernel announced the last peer's route, which is a peer's last entry. Null when there were more announcements
   * than the receive buffer holds.
   */
  readonly lastEntryMs: number | null;
  /** Until the files for Docker were there. */
  readonly filesMs: number;
  /** Until the status says running with all peers programmed. */
  readonly runningMs: number;
}

await answer('first-start', async ({ argv, log, socket, envFile, peers }): Promise<FirstStartAnswer> => {
  const routes = watchRoutes();
  const began = performance.now();
  const beganOnWallClock = Date.now();
  const agent = await LoggedProcess.start('the agent', argv, log);
  const common = { deadlineSeconds: PEERS_DEADLINE_SECONDS, intervalMs: 100 };
  const waitWhileItRuns = <T>(wait: Omit<Wait<T>, 'deadlineSeconds'>) =>
    Promise.race([waitFor({ ...common, ...wait }, () => agent.describe()), endOf(agent)]);
  const { isIncomplete, last } = await waitWhileItRuns({
    what: `the routes of ${peers} peers`,
    read: () => routes.heard,
    until: heard => heard.number >= peers || heard.isIncomplete,
  });
  // Asked only now: an agent that answers does not program meanwhile.
  await waitWhileItRuns({
    what: `${peers} programmed peers`,
    read: () => readStatus(socket),
    until: status => runsWith(status, peers),
  });
  const runningMs = performance.now() - began;
  // When it was renamed, which is the last that is done to it.
  const filesMs = (await stat(envFile)).ctimeMs - beganOnWallClock;
  routes.close();
  await agent.stop('SIGTERM', 30);
  return { lastEntryMs: isIncomplete ? null : last - began, filesMs, runningMs };
});

/** @throws Error when the agent has ended, which nobody has asked it to */
async function endOf(agent: LoggedProcess): Promise<never> {
  await agent.exited;
  throw new Error(agent.describe());
}

interface HeardRoutes {
  /** How many routes of peers. */
  readonly number: number;
  /** When the last of them was heard, milliseconds of `performance.now()`. */
  readonly last: number;
  readonly isIncomplete: boolean;
}

/** Counts from the return on, and does no more with an announcement: ten thousand come within a tenth of a second. */
function watchRoutes(): { readonly heard: HeardRoutes; close(): void } {
  let heard: HeardRoutes = { number: 0, last: 0, isIncomplete: false };
  const socket = new NotificationSocket(
    {
      onMessage: ({ type, body }) => {
        if (type !== RTM_NEWROUTE) return;
        const { table, prefixLength } = decodeRoute(body);
        if (table !== RT_TABLE_MAIN || prefixLength !== SUBNET_LENGTH) return;
        heard = { ...heard, number: heard.number + 1, last: performance.now() };
      },
      onOverflow: () => (heard = { ...heard, isIncomplete: true }),
    },
    { groups: [RTNLGRP_IPV4_ROUTE] },
  );
  return {
    get heard() {
      return heard;
    },
    close: () => socket.close(),
  };
}
