/** Notices when somebody takes a file away or changes it. Effects. */
import { watch, type FSWatcher } from 'node:fs';
import { basename, dirname } from 'node:path';

export interface FileWatch {
  /** Aborted once one of the files, or a directory of theirs, was touched, by whomever; and when the watch ends. */
  readonly touched: AbortSignal;
  close(): void;
}

export type WatchFiles = (paths: readonly string[], signal: AbortSignal) => FileWatch;

/**
 * Watches from the moment of the call, by inotify on the directories. Where one is missing, or there are too many watches on
 * this host, nothing is noticed: look from time to time all the same.
 * @param paths absolute
 * @param signal ends it
 */
export const watchFiles: WatchFiles = (paths, signal) => {
  const touching = new AbortController();
  const touch = () => touching.abort();
  const watchers = [...new Set(paths.map(dirname))].flatMap(directory => {
    const names = new Set(paths.filter(path => dirname(path) === directory).map(path => basename(path)));
    // By its own name a directory says that it is gone itself.
    names.add(basename(directory));
    const watcher = watchDirectory(directory, name =>
      name === null || names.has(name) ? touch() : undefined,
    );
    return watcher?.on('error', touch) ?? [];
  });
  signal.addEventListener('abort', touch, { once: true });
  if (signal.aborted) touch();
  return {
    touched: touching.signal,
    close: () => {
      signal.removeEventListener('abort', touch);
      for (const watcher of watchers) watcher.close();
    },
  };
};

function watchDirectory(path: string, onEvent: (name: string | null) => void): FSWatcher | undefined {
  try {
    return watch(path, { persistent: false }, (_, name) => onEvent(name));
  } catch {
    return undefined;
  }
}
