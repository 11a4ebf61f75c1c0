// Arrows point one way: gateway -> ai -> storage -> config. And no module reads the environment but config.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');
const MAY_IMPORT: Record<string, string[]> = {
  config: ['config'],
  storage: ['storage', 'config'],
  migrations: ['migrations', 'storage'],
  ai: ['ai', 'storage', 'config'],
  gateway: ['gateway', 'ai', 'storage', 'config', 'migrations'],
};

async function sources(folder: string): Promise<string[]> {
  const names = await readdir(join(ROOT, folder), { recursive: true });
  return names.filter((name) => /\.tsx?$/.test(name) && !name.split(sep).some((part) => part === 'dist' || part === 'node_modules')).map((name) => join(ROOT, folder, name));
}

describe('the architecture', () => {
  for (const [folder, allowed] of Object.entries(MAY_IMPORT))
    it(`${folder}/ imports only from ${allowed.join(', ')}`, async () => {
      const wrong: string[] = [];
      for (const file of await sources(folder))
        for (const [, target] of (await readFile(file, 'utf8')).matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
          const [top] = relative(ROOT, resolve(file, '..', target ?? '')).split(sep);
          if (top !== 'package.json' && !allowed.includes(top ?? '')) wrong.push(`${relative(ROOT, file)} imports ${target}`);
        }
      assert.deepEqual(wrong, []);
    });

  it('takes nothing of config but its types into storage and ai', async () => {
    const wrong: string[] = [];
    for (const folder of ['storage', 'ai'])
      for (const file of await sources(folder))
        for (const [line] of (await readFile(file, 'utf8')).matchAll(/^import (?!type).*\/config\/.*$/gm)) wrong.push(`${relative(ROOT, file)}: ${line}`);
    assert.deepEqual(wrong, []);
  });

  it('reads the environment in config alone', async () => {
    const wrong: string[] = [];
    for (const folder of ['storage', 'migrations', 'ai', 'gateway'])
      for (const file of await sources(folder)) if ((await readFile(file, 'utf8')).includes('process.env')) wrong.push(relative(ROOT, file));
    assert.deepEqual(wrong, []);
  });
});
