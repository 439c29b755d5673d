/**
 * This host as a member of one network with one config: its lease, its peers, the kernel state that follows, and the
 * files that tell Docker.
 */
import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Logger } from 'pino';
import type { MacAddress } from '../address/mac.js';
import { formatPrefix } from '../address/prefix.js';
import type { Backend, Self, Underlay } from '../backends/backend.js';
import type { FirewallKeeper } from '../dataplane/firewall/keeper.js';
import { isKernelTrouble } from '../dataplane/kernel.js';
import type { Listening } from '../dataplane/kernel-listener.js';
import type { Interests } from '../dataplane/kernel-watch.js';
import { Reconciler } from '../dataplane/reconciler.js';
import type { HeldLease, LeaseManager, LeaseWish, Loss, OwnLease } from '../subnet/manager.js';
import type { Mirror } from '../subnet/mirror.js';
import type { Store } from '../subnet/store.js';
import { SubnetUsage } from '../subnet/subnet-usage.js';
import type { RunnableConfig } from './config-document.js';
import { EnvFiles } from './env-files.js';
import { DOCKER_BRIDGE, findDockerBridge } from './docker-bridge.js';
import { duplicateMessage } from './duplicate.js';
import { isHostProgrammed, type Facts } from './facts.js';
import { keyPrefixOf } from './feed.js';
import { waitForFiles } from './files-first.js';
import { createFirewallKeeper, firewallWishOf } from './firewall.js';
import { removeLeftovers } from './leftovers.js';
import type { Host } from './host.js';
import { createLeaseManager } from './lease-manager.js';
import { messageOf, OperatorError } from './operator-error.js';
import type { AgentOptions } from './options.js';
import { Overlay } from './overlay.js';
import { stateFileOf, writeSavedState, type Retired, type SavedState } from './saved-state.js';
import { asOperatorError } from './start-up.js';
import type { SubnetEnv } from './subnet-env.js';
import { aborted, runTogether, sleep, steadyClock } from './tasks.js';

/** What the main flow hands over. */
export interface Context {
  readonly options: AgentOptions;
  readonly log: Logger;
  readonly facts: Facts;
  readonly host: Host;
  readonly store: Store;
  readonly mirror: Mirror;
  /** Ends the agent as a signal does: exit code 0, and the data plane stays. */
  readonly leave: () => void;
}

/** How soon files that could not be written are tried again. */
const FILE_RETRY_MS = 10_000;
/** Who takes them away again and again is answered once in so long. */
const FILE_PAUSE_MS = 1_000;
const RETIRED_POLL_MS = 100;

/** What was found out about this host before it joined. */
export interface Findings {
  readonly underlay: Underlay;
  readonly mac: MacAddress | undefined;
  readonly retired: Retired;
  /** Of this boot; undefined where the kernel does not tell. */
  readonly bootId: string | undefined;
  /** Undefined for a backend without a device. */
  readonly checksum: Facts['checksum'];
}

export class Membership {
  readonly #context: Context;
  readonly #config: RunnableConfig;
  readonly #backend: Backend;
  readonly #underlay: Underlay;
  readonly #mac: MacAddress | undefined;
  readonly #bootId: string | undefined;
  readonly #overlay: Overlay;
  readonly #reconciler: Reconciler;
  readonly #firewall: FirewallKeeper;
  readonly #files: EnvFiles;
  #retired: Retired;
  /** While it runs. */
  #listening: Listening | undefined;
  #env: SubnetEnv | undefined;
  #isDuplicateLogged = false;
  #fail: (error: OperatorError) => void = () => undefined;

  constructor(context: Context, config: RunnableConfig, findings: Findings) {
    const { options, log, facts, host } = context;
    const { backend, range } = config;
    const { underlay, mac, retired, bootId, checksum } = findings;
    this.#context = context;
    this.#config = config;
    this.#backend = backend;
    this.#underlay = underlay;
    this.#mac = mac;
    this.#bootId = bootId;
    this.#retired = retired;
    this.#overlay = new Overlay({ backend, network: range.network, keyPrefix: keyPrefixOf(options), log });
    this.#files = new EnvFiles(options, log, host.writeFile);
    this.#reconciler = new Reconciler({
      kernel: host.kernel,
      ownership: {
        network: range.network,
        devices: this.#devices,
        underlay: underlay.device,
        peerAt: destination => this.#overlay.publicIpAt(destination),
      },
      log,
      now: () => performance.now(),
      random: Math.random,
      ...(checksum && { offload: checksum.keeper }),
      onReading: () => this.#listening?.catchUp(),
      onRead: entries => {
        facts.dockerBridge = findDockerBridge(entries);
        this.#overlay.followRoutes(entries);
      },
      onPass: wishedUntil => this.#onPass(wishedUntil),
      onFilled: signal => this.#waitForFiles(signal),
    });
    this.#overlay.attach(this.#reconciler);
    this.#firewall = createFirewallKeeper(options, host.firewall, log, () => void this.#writeFiles());
    facts.backend = backend;
    facts.overlay = this.#overlay;
    facts.reconciler = this.#reconciler;
    facts.firewall = this.#firewall;
    facts.checksum = checksum;
    facts.files = this.#files;
  }

  async run(wish: LeaseWish, signal: AbortSignal): Promise<void> {
    const { facts, host } = this.#context;
    const failed = new Promise<void>((_, reject) => (this.#fail = reject));
    const manager = this.#createManager();
    const usage = this.#createUsage();
    facts.usage = usage;
    const interests: Interests = {
      network: this.#config.range.network,
      overlay: this.#devices,
      underlay: this.#underlay.device,
      addressed: DOCKER_BRIDGE,
      isExpected: (entry, isThere) => this.#reconciler.isExpected(entry, isThere),
    };
    const readings = () => this.#reconciler.readings;
    const listening = host.listen(interests, readings, (concern, announced) => {
      if (concern === 'entries') this.#reconciler.doubt(announced);
      else this.#reconciler.doubtAfterChange(concern);
    });
    this.#listening = listening;
    try {
      await runTogether(signal, [
        stop => manager.run(wish, stop),
        stop => this.#reconciler.run(stop),
        stop => this.#firewall.run(stop),
        stop => usage.run(stop),
        stop => this.#keepFiles(stop),
        stop => this.#removeRetired(stop),
        stop => Promise.race([failed, aborted(stop)]),
      ]);
    } finally {
      listening.close();
      this.#listening = undefined;
    }
  }

  get #devices(): ReadonlySet<string> {
    return new Set(this.#backend.device === undefined ? [] : [this.#backend.device]);
  }

  #createUsage(): SubnetUsage {
    const { options, mirror, log } = this.#context;
    const { range } = this.#config;
    return new SubnetUsage({
      range,
      keyPrefix: keyPrefixOf(options),
      entries: () => mirror.entries,
      log,
      sleep,
    });
  }

  #createManager(): LeaseManager {
    const surroundings = { ...steadyClock, wallNow: Date.now, random: Math.random, randomBelow };
    return createLeaseManager(
      { ...this.#context, overlay: this.#overlay, surroundings },
      {
        onOwn: own => this.#onOwn(own),
        onLost: loss => this.#onLost(loss),
        onDuplicate: lease => this.#onDuplicate(lease),
      },
    );
  }

  #onLost(loss: Loss): void {
    const { options, facts, log, leave } = this.#context;
    this.#overlay.noteLoss();
    if (loss !== 'deleted' || options.onRevoke !== 'exit') return;
    const subnet = facts.own === undefined ? '' : ` of ${formatPrefix(facts.own.subnet)}`;
    log.warn(
      { key: facts.own?.key },
      `our lease${subnet} was deleted in etcd: leaving, as --on-revoke=exit says; the data plane stays (selvedge cleanup)`,
    );
    leave();
  }

  /** Who never was a member must not become one; who was stays what he is until it is settled. */
  #onDuplicate(lease: HeldLease): void {
    const { log } = this.#context;
    const message = duplicateMessage(lease);
    if (this.#env === undefined) this.#fail(new OperatorError(message));
    else if (!this.#isDuplicateLogged) log.error({ key: lease.key, holder: lease.holder }, message);
    this.#isDuplicateLogged = true;
  }

  #onOwn(own: OwnLease): void {
    const { options, mirror, facts } = this.#context;
    const { range } = this.#config;
    this.#isDuplicateLogged = false;
    const underlay = this.#overlay.self?.underlay ?? this.#underlay;
    const self: Self = { subnets: { ipv4: own.subnet }, underlay, mac: this.#mac };
    this.#overlay.setOwn(own, self, mirror.entries, facts.doubt?.state !== undefined);
    this.#firewall.want(firewallWishOf(options, range.network, this.#backend, self));
    this.#env = {
      ipv4: { network: range.network, subnet: own.subnet },
      mtu: this.#backend.mtu(underlay),
      ipMasq: options.ipMasq,
    };
    void this.#saveState(own);
  }

  async #saveState(own: OwnLease): Promise<void> {
    const { options, facts, log, host } = this.#context;
    const state: SavedState = {
      bootId: this.#bootId,
      prefix: options.etcd.prefix,
      subnet: own.subnet,
      leaseKey: own.key,
      underlay: this.#underlay.device,
      config: this.#config.text,
      ...(this.#mac !== undefined && { mac: this.#mac }),
      ...(this.#backend.device !== undefined && { device: this.#backend.device }),
      ...(this.#retired.devices.length + this.#retired.networks.length > 0 && { retired: this.#retired }),
    };
    facts.saved = state;
    try {
      await writeSavedState(stateFileOf(options.instanceStateDir), state, host.writeFile);
      facts.stateError = undefined;
    } catch (error) {
      facts.stateError = messageOf(error);
      log.error(facts.stateError);
    }
  }

  #onPass(wishedUntil: number | undefined): void {
    const { facts } = this.#context;
    facts.lastPassAt = performance.now();
    if (wishedUntil !== undefined) facts.watchToKernel?.passed(wishedUntil, facts.lastPassAt);
    const { settled, linkTrouble } = this.#reconciler.view;
    // Once it has worked, trouble may pass: then it is shown, and tried again.
    const isStart = !settled && linkTrouble?.isBlocking === true;
    const fatal = isStart ? asOperatorError(linkTrouble) : undefined;
    if (fatal !== undefined) this.#fail(fatal);
    void this.#writeFiles();
  }

  /** Docker starts containers when they are there: the firewall has been seen to by then, as far as it could be. */
  async #writeFiles(): Promise<void> {
    if (this.#env === undefined || this.#firewall.view.lookedAt === undefined) return;
    if (isHostProgrammed(this.#context.facts)) await this.#files.write(this.#env, performance.now());
  }

  #waitForFiles(signal: AbortSignal): Promise<void> {
    const peers = this.#overlay.peers?.accepted.size ?? 0;
    const { tried } = this.#files;
    return waitForFiles(
      { peers, isHostProgrammed: isHostProgrammed(this.#context.facts), tried, sleep },
      signal,
    );
  }

  /** Once all that this config wants is in place, what an earlier one left behind goes. */
  async #removeRetired(signal: AbortSignal): Promise<void> {
    const { log, facts } = this.#context;
    const { devices, networks } = this.#retired;
    if (devices.length + networks.length === 0) return;
    // Not while Docker's files are waited for.
    const isFilled = () => !this.#reconciler.readings.isFilling && isHostProgrammed(facts);
    const mayGo = () => isFilled() && facts.doubt?.state === undefined;
    while (!signal.aborted && !mayGo()) await sleep(RETIRED_POLL_MS, signal);
    if (signal.aborted) return;
    const { desired } = this.#reconciler.view;
    const say = (line: string) => log.info(`left by an earlier config: ${line}`);
    try {
      for (const network of [this.#config.range.network, ...networks]) {
        const leftovers = { network, devices, underlay: this.#underlay.device };
        await removeLeftovers(this.#context.host.kernel, leftovers, { desired, dryRun: false, say });
      }
    } catch (error) {
      if (!(error instanceof OperatorError) && !isKernelTrouble(error)) throw error;
      log.warn(`left by an earlier config, and tried again at the next start: ${error.message}`);
      return;
    }
    this.#retired = { devices: [], networks: [] };
    if (facts.own !== undefined) await this.#saveState(facts.own);
  }

  async #keepFiles(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      // From before the look, so that nothing is missed.
      const watch = this.#context.host.watchFiles(this.#files.paths, signal);
      await this.#writeFiles();
      await sleep(FILE_PAUSE_MS, signal);
      await sleep(FILE_RETRY_MS, watch.touched);
      watch.close();
    }
  }
}

/** A whole number in [0, below), evenly distributed. 128 random bits make the bias of the remainder negligible. */
function randomBelow(below: bigint): bigint {
  return BigInt(`0x${randomBytes(16).toString('hex')}`) % below;
}
