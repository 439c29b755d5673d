/** Figures as people read them. Pure. */
import type { Spread } from './statistics.js';

/** A time with three digits or so: `0.43`, `8.1`, `127`. @param ms milliseconds */
export function formatNumber(ms: number): string {
  if (Math.abs(ms) >= 100) return ms.toFixed(0);
  return ms.toFixed(Math.abs(ms) >= 10 ? 1 : 2);
}

/** The median, with the least and the most in brackets. */
export function formatSpread({ median, least, most }: Spread): string {
  return `${formatNumber(median)} (${formatNumber(least)}–${formatNumber(most)})`;
}

/** `12.4 ×` */
export function formatRatio(ratio: number): string {
  return `${ratio.toFixed(ratio >= 10 ? 1 : 2)} ×`;
}
