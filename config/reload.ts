// Settings that follow their file: read again on change or SIGHUP; a bad edit keeps the old ones and says so.
import { watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { loadSettings, SettingsError, type LoadedSettings } from './load.ts';

/** Editors write a file in several steps. */
const SETTLE_MS = 200;

/** Keys that a running gateway cannot change: sockets, folders, processes. */
const FIXED = ['home', 'uidRoot', 'roles', 'log', 'http', 'dimse', 'inference', 'models', 'databaseUrl'] as const;

export interface ReloadListener {
  /** @param restart keys that changed and count only after a restart */
  changed(settings: LoadedSettings, restart: string[]): void;
  rejected(error: SettingsError): void;
}

/** @returns ends the watching */
export function followSettings(first: LoadedSettings, listener: ReloadListener): () => void {
  const { file } = first;
  if (file === undefined) return () => {};
  let current = first;
  let timer: NodeJS.Timeout | undefined;

  const reload = async (): Promise<void> => {
    try {
      const next = await loadSettings(file);
      if (JSON.stringify(next) === JSON.stringify(current)) return;
      const restart = FIXED.filter((key) => JSON.stringify(next[key]) !== JSON.stringify(current[key]));
      current = { ...next, ...Object.fromEntries(FIXED.map((key) => [key, first[key]])) } as LoadedSettings;
      listener.changed(current, restart);
    } catch (error) {
      if (!(error instanceof SettingsError)) throw error;
      listener.rejected(error);
    }
  };
  const soon = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => void reload(), SETTLE_MS);
  };
  // The folder, not the file: editors and ConfigMaps replace the file by another.
  const watcher = watch(dirname(file), (_event, name) => {
    if (name === null || name === basename(file) || name.startsWith('..')) soon();
  });
  process.on('SIGHUP', soon);
  return () => {
    clearTimeout(timer);
    watcher.close();
    process.off('SIGHUP', soon);
  };
}
