// hilum doctor: what is missing and how to get it. --storage compares every blob with the index, both ways.
import { statfs } from 'node:fs/promises';
import { pino } from 'pino';
import { parseArgs } from 'node:util';
import { startAnalyzer } from '../../ai/analyzer.ts';
import { loadPackage, type ModelPackage } from '../../ai/runtime/manifest.ts';
import type { LoadedSettings } from '../../config/load.ts';
import { hasKernelSend } from '../http/kernel-send.ts';
import { withDatabase } from './database.ts';
import { checkStorage } from './doctor-storage.ts';
import { probeDestination } from './doctor-destinations.ts';
import { probeModalityWorklist, probeSource } from './doctor-sources.ts';

/** `advice` says how to mend what is not ok. */
export interface Finding {
  ok: boolean;
  what: string;
  advice?: string;
}

export async function doctorCommand(args: string[], settings: LoadedSettings): Promise<number> {
  const { values } = parseArgs({ args, options: { storage: { type: 'boolean', default: false } } });
  let healthy = true;
  const tell = (finding: Finding): void => {
    healthy &&= finding.ok;
    console.log(`${finding.ok ? 'ok     ' : 'PROBLEM'}  ${finding.what}${finding.advice === undefined ? '' : `\n         ${finding.advice}`}`);
  };
  tell(checkNode());
  tell({ ok: true, what: `settings: ${settings.file ?? 'built-in defaults'}` });
  tell(await checkDisk(settings));
  tell({ ok: true, what: hasKernelSend ? 'files are sent by the system (sendfile)' : 'files are read and written to be sent: retrieves take twice the CPU time of a 64-bit Linux' });
  await checkModels(settings, tell);
  await checkDatabase(settings, values.storage, tell);
  for (const destination of settings.destinations) tell(await probeDestination(destination, settings));
  for (const source of settings.sources) tell(await probeSource(source, settings));
  if (settings.modalityWorklist) tell(await probeModalityWorklist(settings.modalityWorklist, settings));
  return healthy ? 0 : 1;
}

function checkNode(): Finding {
  const [major = 0] = process.versions.node.split('.').map(Number);
  return { ok: major >= 24, what: `Node ${process.versions.node}`, ...(major < 24 && { advice: 'run Hilum by `npm run hilum`, which brings Node 24, or install it' }) };
}

async function checkDisk({ home, limits }: LoadedSettings): Promise<Finding> {
  const { bavail, bsize } = await statfs(home).catch(() => statfs('.'));
  const [free, kept] = [bavail * bsize, limits.freeDiskBytes].map((bytes) => `${(bytes / 1e9).toFixed(1)} GB`);
  const ok = bavail * bsize > limits.freeDiskBytes;
  return { ok, what: `data folder ${home}: ${free} free`, ...(!ok && { advice: `intake refuses below limits.freeDiskBytes (${kept}): make room or lower it` }) };
}

async function checkModels(settings: LoadedSettings, tell: (finding: Finding) => void): Promise<void> {
  const models: ModelPackage[] = [];
  for (const folder of settings.models)
    try {
      models.push(await loadPackage(folder));
    } catch (error) {
      tell({ ok: false, what: (error as Error).message, advice: `the package in ${folder} must be whole: get it again, or leave it out of the settings` });
    }
  try {
    const analyzer = await startAnalyzer({ models, inference: settings.inference, log: pino({ level: 'silent' }) });
    for (const { model, chosen, rejected } of analyzer.providers())
      tell({ ok: true, what: [`model ${model} runs on ${chosen}`, ...rejected.map(({ provider, why }) => `not on ${provider}: ${why}`)].join('\n         ') });
    await analyzer.close();
  } catch (error) {
    tell({ ok: false, what: `models do not run: ${(error as Error).message}` });
  }
}

async function checkDatabase(settings: LoadedSettings, storage: boolean, tell: (finding: Finding) => void): Promise<void> {
  const name = settings.databaseUrl === undefined ? 'the embedded Postgres' : 'the Postgres of DATABASE_URL';
  try {
    await withDatabase(settings, async (dataSource) => {
      const [{ version }]: [{ version: string }] = await dataSource.query('show server_version').then(([row]) => [{ version: row.server_version }]);
      const pending = await dataSource.showMigrations();
      tell({ ok: true, what: `${name}: version ${version}${pending ? ', schema not up to date (done at the next start)' : ''}` });
      if (storage && !pending) for await (const finding of checkStorage(dataSource, settings)) tell(finding);
    });
  } catch (error) {
    tell({ ok: false, what: `${name}: ${(error as Error).message}`, advice: 'start it, or mend DATABASE_URL; without one, Hilum brings its own' });
  }
}
