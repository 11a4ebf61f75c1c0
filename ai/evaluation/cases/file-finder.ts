// The file that a list means by a name: as it stands, or, where the list gives only a name or an identifier, the one below the
// list's folder that is called so.
import { readdir, stat } from 'node:fs/promises';
import { join, parse, resolve } from 'node:path';

export class FileFinder {
  readonly #folder: string;
  /** By name with and without extension; read when first needed. */
  #index: Map<string, string[]> | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @returns the path, undefined where there is none, or those between which the name does not tell */
  async find(name: string): Promise<string | { several: string[] } | undefined> {
    // A list made on Windows has its separator; where a name has a backslash of its own, the file of that name goes first.
    for (const path of [resolve(this.#folder, name), resolve(this.#folder, name.replaceAll('\\', '/'))])
      if (await stat(path).then((entry) => entry.isFile(), () => false)) return path;
    if (/[\\/]/.test(name)) return undefined;
    this.#index ??= await this.#read();
    const several = this.#index.get(name) ?? [];
    return several.length > 1 ? { several: several.sort() } : several[0];
  }

  async #read(): Promise<Map<string, string[]>> {
    const index = new Map<string, string[]>();
    for (const entry of await readdir(this.#folder, { withFileTypes: true, recursive: true })) {
      if (entry.isDirectory()) continue;
      const path = join(entry.parentPath, entry.name);
      for (const key of new Set([entry.name, parse(entry.name).name])) index.set(key, [...(index.get(key) ?? []), path]);
    }
    return index;
  }
}
