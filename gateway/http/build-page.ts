// Builds the page when its built form is missing or older than its sources, so that starting the gateway is one command.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';

const SOURCES = fileURLToPath(new URL('../web/', import.meta.url));
const BUILT = join(SOURCES, 'dist');

/** Folder of the built page; builds it first where needed (about two seconds). @throws when the build fails */
export async function ensurePage(log: Logger): Promise<string> {
  const built = await stat(join(BUILT, 'index.html')).catch(() => undefined);
  if (built !== undefined && built.mtimeMs >= (await newestSource())) return BUILT;
  const started = performance.now();
  // Loaded only here: a gateway whose page is built needs no bundler.
  const { build } = await import('vite');
  await build({ root: SOURCES, configFile: join(SOURCES, 'vite.config.ts'), logLevel: 'error' });
  log.info({ milliseconds: Math.round(performance.now() - started) }, 'the page is built');
  return BUILT;
}

async function newestSource(): Promise<number> {
  const files = (await readdir(SOURCES, { recursive: true })).filter((name) => name !== 'dist' && !/^dist[\\/]/.test(name));
  const times = await Promise.all(files.map(async (name) => (await stat(join(SOURCES, name))).mtimeMs));
  return Math.max(...times);
}
