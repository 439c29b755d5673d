/** Moments of the status document as people read them. Pure. */
import { formatDuration } from '../daemon/duration.js';

/** A moment to the second, in UTC. @param iso ISO 8601, as everywhere in the document */
export function clock(iso: string): string {
  return `${iso.slice(0, 19)}Z`;
}

/** How long ago that was, such as `12 s ago`. */
export function age(iso: string, now: Date): string {
  return `${ageOnly(iso, now)} ago`;
}

/** The same without `ago`. */
export function ageOnly(iso: string, now: Date): string {
  return formatDuration(now.getTime() - Date.parse(iso));
}

/** How long it is until then. */
export function untilThen(iso: string, now: Date): string {
  return formatDuration(Date.parse(iso) - now.getTime());
}
