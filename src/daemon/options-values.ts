/** zod types for option values: text in, sound value out, with rules in words that an operator can act on. Pure. */
import { posix } from 'node:path';
import * as z from 'zod';
import { parseDuration } from './duration.js';
import { familyOf, notAHostAddress, parseIp, type IpAddress } from '../address/ip.js';

/**
 * A value that must reach neither a log nor an error message. It is behind a function because every serialiser (pino,
 * JSON.stringify, util.inspect) leaves functions out.
 */
export interface Secret {
  readonly reveal: () => string;
}

type Read<T> = { readonly value: T } | { readonly rule: string };

/** A zod type from a reader that gives either the value or the rule that the text breaks. */
function text<T>(read: (text: string) => Read<T>) {
  return z.string().transform((input, context): T => {
    const result = read(input);
    if ('value' in result) return result.value;
    context.addIssue({ code: 'custom', message: result.rule });
    return z.NEVER;
  });
}

/**
 * A boolean in the words of Go's flag package (strconv.ParseBool), which flannel's users have in their units.
 * @returns undefined for any other text
 */
export function parseGoBoolean(input: string): boolean | undefined {
  if (/^(?:1|t|T|TRUE|true|True)$/.test(input)) return true;
  return /^(?:0|f|F|FALSE|false|False)$/.test(input) ? false : undefined;
}

export const boolean = text<boolean>(input => {
  const value = parseGoBoolean(input);
  return value === undefined ? { rule: 'must be true or false' } : { value };
});

/**
 * Comma separated URLs, all http or all https: one client can't speak both. The port is required, because gRPC takes a
 * missing one for 443 whatever the scheme.
 */
export const endpoints = text<readonly string[]>(input => {
  const urls = input.split(',').map(item => item.trim().replace(/\/$/, ''));
  if (input.includes('@')) {
    return { rule: 'must not hold a user or a password: use --etcd-username and --etcd-password-file' };
  }
  if (!urls.every(url => /^https?:\/\/[^\s/?#]+:\d+$/.test(url) && URL.canParse(url))) {
    return { rule: 'must be comma separated URLs with a port, such as http://10.0.0.1:2379' };
  }
  const schemes = new Set(urls.map(url => url.split(':', 1)[0]));
  return schemes.size > 1 ? { rule: 'must be all http or all https' } : { value: [...new Set(urls)] };
});

/** Root of all keys in etcd, without doubled or trailing slashes (flannel joins keys as paths, which drops them too). */
export const keyPrefix = text<string>(input => {
  const parts = input.split('/').filter(part => part !== '');
  if (!input.startsWith('/')) return { rule: 'must begin with /' };
  if (parts.length === 0) return { rule: 'must name a place below /' };
  if (parts.some(part => part === '.' || part === '..')) return { rule: 'must not hold . or .. parts' };
  return { value: `/${parts.join('/')}` };
});

/** A file by its absolute path: a service's working directory is nowhere that an operator would look. */
export const file = text<string>(input => {
  if (!isAbsolute(input) || input.endsWith('/')) return { rule: 'must be the absolute path of a file' };
  return { value: posix.normalize(input) };
});

/** A directory by its absolute path, without trailing slashes. */
export const directory = text<string>(input => {
  const path = posix.normalize(input).replace(/\/+$/, '');
  return isAbsolute(path) ? { value: path } : { rule: 'must be the absolute path of a directory below /' };
});

function isAbsolute(path: string): boolean {
  return path.startsWith('/') && !path.includes('\0');
}

/** An IPv4 address that can name a host of the underlay. */
export const hostAddress = text<IpAddress>(input => {
  const address = parseIp(input);
  if (address === undefined || familyOf(address) !== 4) return { rule: 'must be an IPv4 address' };
  const why = notAHostAddress(address);
  return why === undefined ? { value: address } : { rule: `must be the address of a host, not ${why}` };
});

/** An address to listen on, of either family; all of them included. */
export const listenAddress = text<IpAddress>(input => {
  const address = parseIp(input);
  return address === undefined ? { rule: 'must be an IP address' } : { value: address };
});

/** 0 means none. */
export const tcpPort = text<number>(input => {
  const value = Number(input);
  return /^\d{1,5}$/.test(input) && value <= 65_535 ? { value } : { rule: 'must be 0 to 65535' };
});

/** An interface by name or IPv4 address. Names as the kernel has them (dev_valid_name in net/core/dev.c, IFNAMSIZ). */
export const interfaceName = text<string>(input => {
  const isName = /^[^\s/:]{1,15}$/.test(input) && input !== '.' && input !== '..';
  if (isName || parseIp(input)?.includes('.')) return { value: input };
  return { rule: 'must be the name of an interface (at most 15 characters) or its IPv4 address' };
});

/**
 * A regular expression. In Unicode mode, where an escape that JavaScript does not know is a fault: Go's `\A` would
 * otherwise quietly mean the letter A.
 */
export const regex = text<RegExp>(input => {
  try {
    return { value: new RegExp(input, 'u') };
  } catch (error) {
    return { rule: `must be a regular expression: ${(error as Error).message.split(': ').at(-1)!}` };
  }
});

/** Part of file names, of the device lock and of firewall names. */
export const instanceName = text<string>(input =>
  /^[A-Za-z0-9_-]{1,32}$/.test(input)
    ? { value: input }
    : { rule: 'must be 1 to 32 letters, digits, _ or - (give --instance if it was taken from the prefix)' },
);

/** etcd itself grants nothing shorter than 2 s at its default timings; below 5 s one lost renewal loses the subnet. */
const LEAST_TTL_SECONDS = 5;
/** A timer of Node holds 2^31 - 1 milliseconds, 24.8 days. */
const MOST_TTL_SECONDS = 24 * 24 * 3600;

/** A duration such as `1h30m`, in seconds. */
function duration(least: number, most: number, rule: string) {
  return text<number>(input => {
    const value = parseDuration(input);
    if (value === undefined) return { rule: 'must be a duration such as 24h, 90m or 30s' };
    return value >= least && value <= most ? { value } : { rule };
  });
}

export const leaseTtl = duration(
  LEAST_TTL_SECONDS,
  MOST_TTL_SECONDS,
  'must be between 5s and 576h (24 days)',
);

/** None at all is allowed: then deletions are always believed. */
export const doubtGrace = duration(0, 24 * 3600, 'must be between 0s and 24h');

/** More would be no probing but a load on every other host. */
const MOST_PROBES = 1_000;

/** Packets per second. */
export const probeRate = text<number>(input => {
  const value = Number(input);
  return /^\d{1,4}$/.test(input) && value <= MOST_PROBES
    ? { value }
    : { rule: `must be 0 to ${MOST_PROBES} packets per second` };
});

export const onRevoke = z.enum(['reacquire', 'exit'], { error: 'must be reacquire or exit' });

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const txChecksum = z.enum(['auto', 'on', 'off'], { error: 'must be auto, on or off' });

/** pino's levels. */
export const logLevel = z.enum(LOG_LEVELS, { error: `must be one of ${LOG_LEVELS.join(', ')}` });

export const LOG_FORMATS = ['json', 'pretty'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export const logFormat = z.enum(LOG_FORMATS, { error: `must be ${LOG_FORMATS.join(' or ')}` });

export const userName = z.string();

/** Any text will do: a rule would put the secret into a message. */
export const secret = text<Secret>(input => ({ value: { reveal: () => input } }));
