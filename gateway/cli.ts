// hilum COMMAND: what a person or a service manager runs (docs/operations.md).
import { parseArgs } from 'node:util';
import { loadSettings, SettingsError, type LoadedSettings } from '../config/load.ts';

type Command = (args: string[], settings: LoadedSettings) => Promise<number>;

/** Each is loaded only when it is asked for: `hilum models` needs no database driver. */
const COMMANDS: Record<string, { summary: string; load: () => Promise<Command> }> = {
  start: { summary: 'run the gateway', load: async () => (await import('./commands/start.ts')).startCommand },
  demo: { summary: 'run the gateway and a small PACS, and send radiographs through both: demo [FOLDER] [--exit]', load: async () => (await import('./commands/demo.ts')).demoCommand },
  analyze: { summary: 'analyse DICOM files: analyze FILE… [--json] [--out FOLDER] [--model NAME]', load: async () => (await import('./commands/analyze.ts')).analyzeCommand },
  evaluate: { summary: 'judge the models by images with known truth: evaluate --data DIR|CSV [--out FOLDER]', load: async () => (await import('./commands/evaluate.ts')).evaluateCommand },
  doctor: { summary: 'say what is missing and how to get it: doctor [--storage]', load: async () => (await import('./commands/doctor.ts')).doctorCommand },
  migrate: { summary: 'bring the database schema up to date', load: async () => (await import('./commands/migrate.ts')).migrateCommand },
  models: { summary: 'list the model packages, or say how a candidate does beside the models in use: models [compare CANDIDATE] [--json]', load: async () => (await import('./commands/models.ts')).modelsCommand },
  routes: { summary: 'say which route takes a file: routes test FILE…', load: async () => (await import('./commands/routes.ts')).routesCommand },
  deliveries: { summary: 'show deliveries, or send again what failed: deliveries [resend [--to DESTINATION] [--study UID]]', load: async () => (await import('./commands/deliveries.ts')).deliveriesCommand },
  query: { summary: 'ask a source what it has: query SOURCE [--level study|series|instance|patient] [--limit N] [--json] KEY=VALUE…', load: async () => (await import('./commands/query.ts')).queryCommand },
  retrieve: { summary: 'fetch studies from a source: retrieve SOURCE STUDY_UID…|KEY=VALUE… [--prior] [--priors] [--detach] [--to FOLDER]', load: async () => (await import('./commands/retrieve.ts')).retrieveCommand },
  drift: { summary: 'compare the last days with the accepted distributions: drift [--model NAME] [--json] | drift accept --model NAME [--station S] [--from DAY --to DAY] | drift reset --model NAME', load: async () => (await import('./commands/drift.ts')).driftCommand },
  recycle: { summary: 'show what was deleted, bring it back, or remove it for good: recycle [list] | recycle restore UID | recycle purge [STUDY_UID | --all]', load: async () => (await import('./commands/recycle.ts')).recycleCommand },
  release: { summary: 'analyse a study that was held because its patients contradict: release STUDY_UID', load: async () => (await import('./commands/release.ts')).releaseCommand },
};

async function main(argv: string[]): Promise<number> {
  const { config, rest } = takeConfig(argv);
  const [name, ...args] = rest;
  const command = name === undefined ? undefined : COMMANDS[name];
  if (!command) {
    console.error(usage(name));
    return name === undefined || name === '--help' || name === 'help' ? 0 : 2;
  }
  try {
    const settings = await loadSettings(config);
    return await (await command.load())(args, settings);
  } catch (error) {
    console.error(error instanceof SettingsError ? error.message : `hilum ${name}: ${(error as Error).message}`);
    return 2;
  }
}

/** --config FILE may stand anywhere; everything else is the command's own. */
function takeConfig(argv: string[]): { config: string | undefined; rest: string[] } {
  const { values, tokens } = parseArgs({ args: argv, options: { config: { type: 'string' } }, strict: false, tokens: true, allowPositionals: true });
  const taken = new Set<number>();
  for (const token of tokens) {
    if (token.kind !== 'option' || token.name !== 'config') continue;
    taken.add(token.index);
    if (token.inlineValue === false) taken.add(token.index + 1);
  }
  return { config: typeof values['config'] === 'string' ? values['config'] : undefined, rest: argv.filter((_, index) => !taken.has(index)) };
}

function usage(unknown: string | undefined): string {
  const lines = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(11)} ${summary}`);
  const complaint = unknown === undefined || unknown === '--help' || unknown === 'help' ? [] : [`hilum: there is no command "${unknown}"`, ''];
  return [...complaint, 'hilum [--config FILE] COMMAND', '', ...lines].join('\n');
}

process.exitCode = await main(process.argv.slice(2));
