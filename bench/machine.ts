/** The machine that the figures were taken on. */
import { execFileSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { commandEnvironment } from '../src/demo/command.js';

export interface Machine {
  readonly kernel: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryMiB: number;
  readonly node: string;
  readonly iproute2: string;
  /** Load of the last minute before the first bench: figures of a busy machine are worse and less certain. */
  readonly loadBefore: number;
}

/** Describes this machine. @throws Error when `ip` is missing */
export function describeMachine(): Machine {
  const processors = cpus();
  return {
    kernel: release(),
    processor: processors[0]?.model ?? 'unknown',
    cores: processors.length,
    memoryMiB: Math.round(totalmem() / 1024 / 1024),
    node: process.version,
    iproute2: execFileSync('ip', ['-V'], { encoding: 'utf8', env: commandEnvironment() }).trim(),
    loadBefore: loadavg()[0]!,
  };
}

/** The same in one line. Pure. */
export function formatMachine(machine: Machine): string {
  const { kernel, processor, cores, memoryMiB, node, iproute2, loadBefore } = machine;
  return [
    `Linux ${kernel}`,
    `${cores} × ${processor}`,
    `${memoryMiB} MiB`,
    `Node ${node}`,
    iproute2,
    `load before ${loadBefore.toFixed(1)}`,
  ].join(', ');
}
