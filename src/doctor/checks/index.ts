/** All checks, in the order in which their word counts: the agent knows more than a look from outside. Pure. */
import type { Check } from '../check.js';
import { agentChecks } from './agent.js';
import { configChecks } from './config.js';
import { deviceChecks } from './device.js';
import { etcdChecks } from './etcd.js';
import { fileChecks } from './files.js';
import { firewallChecks } from './firewall.js';
import { hostChecks } from './host.js';
import { leftoverChecks } from './leftovers.js';
import { startChecks } from './start.js';
import { tunnelChecks } from './tunnel.js';
import { underlayChecks } from './underlay.js';
import { wayChecks } from './ways.js';

export const CHECKS: readonly Check[] = [
  ...agentChecks,
  ...underlayChecks,
  ...startChecks,
  ...etcdChecks,
  ...configChecks,
  ...deviceChecks,
  ...wayChecks,
  ...fileChecks,
  ...firewallChecks,
  ...hostChecks,
  ...tunnelChecks,
  ...leftoverChecks,
];
