// The files that a command is given: each as it is, and every file below a folder.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Files in the order given, those of a folder by name; hidden ones and DICOMDIR, which is an index, are left out of folders. */
export async function* filesOf(paths: readonly string[]): AsyncGenerator<string> {
  for (const path of paths) {
    const isFolder = await stat(path).then((entry) => entry.isDirectory(), () => false);
    if (isFolder) yield* filesBelow(path);
    else yield path;
  }
}

async function* filesBelow(folder: string): AsyncGenerator<string> {
  const entries = await readdir(folder, { withFileTypes: true });
  for (const entry of entries.toSorted((one, other) => (one.name < other.name ? -1 : 1))) {
    if (entry.name.startsWith('.') || entry.name === 'DICOMDIR') continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else yield path;
  }
}
