// hilum drift [--model NAME] [--json]; hilum drift accept --model NAME [--station S] [--from DAY] [--to DAY]; hilum drift reset --model NAME
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import type { Manifest } from '../../ai/runtime/manifest.ts';
import { loadPackage } from '../../ai/runtime/manifest.ts';
import type { LoadedSettings } from '../../config/load.ts';
import { DriftRepository } from '../../storage/drift.repository.ts';
import { acceptPeriod, type AcceptedPeriod } from '../drift/accept.ts';
import { DriftMonitor, levelInWords } from '../drift/monitor.ts';
import type { AcceptedFrom, DriftModel, DriftPlaceReport, DriftQuantity, DriftReport } from '../drift/report.ts';
import { dayBefore } from '../drift/window.ts';
import { withDatabase } from './database.ts';

const USAGE = 'usage: hilum drift [--model NAME] [--json] | drift accept --model NAME [--station STATION] [--from YYYY-MM-DD] [--to YYYY-MM-DD] | drift reset --model NAME';
const OPTIONS = { model: { type: 'string' }, json: { type: 'boolean', default: false }, station: { type: 'string' }, from: { type: 'string' }, to: { type: 'string' } } as const;

/** @returns the exit status: 0 nothing has drifted, or it was accepted; 1 something has drifted, or there was nothing to accept; 2 could not run */
export async function driftCommand(args: string[], settings: LoadedSettings): Promise<number> {
  const { positionals: [action = 'show', ...rest], values } = parseArgs({ args, options: OPTIONS, allowPositionals: true });
  const alone = action === 'accept' ? [] : (['station', 'from', 'to'] as const).filter((name) => values[name] !== undefined);
  if (rest.length > 0 || alone.length > 0 || !['show', 'accept', 'reset'].includes(action) || (action !== 'show' && values.model === undefined)) throw new Error(USAGE);
  const period = periodOf(values, settings.drift.windowDays);
  const models = await manifestsOf(settings, values.model);
  return withDatabase(settings, async (dataSource) => {
    const repository = new DriftRepository(dataSource);
    if (action === 'show') return show(repository, models, settings, values.json);
    return action === 'reset' ? reset(repository, models[0]!) : accept(repository, models[0]!, { ...period, station: values.station, minImages: settings.drift.minImages });
  });
}

async function manifestsOf(settings: LoadedSettings, name: string | undefined): Promise<Manifest[]> {
  const manifests = (await Promise.all(settings.models.map((folder) => loadPackage(folder)))).map(({ manifest }) => manifest);
  const wanted = manifests.filter((manifest) => manifest.purpose === 'finding' && (name === undefined || manifest.name === name));
  if (name !== undefined && wanted.length === 0) throw new Error(`there is no model "${name}"; the settings bring ${manifests.map((manifest) => manifest.name).join(', ')}`);
  return wanted;
}

async function show(repository: DriftRepository, manifests: Manifest[], { drift }: LoadedSettings, json: boolean): Promise<number> {
  const models = manifests.map((manifest) => ({ manifest }));
  const report = await new DriftMonitor({ repository, models, settings: () => drift, log: pino({ level: 'silent' }) }).report();
  console.log(json ? JSON.stringify(report) : reportInWords(report));
  return report.drifted ? 1 : 0;
}

async function accept(repository: DriftRepository, { name, version }: Manifest, of: Omit<AcceptedPeriod, 'model'>): Promise<number> {
  const { station: wanted, from, to, minImages } = of;
  const accepted = await acceptPeriod(repository, { model: { name, version }, ...of });
  if (accepted.length === 0) {
    console.error(`nothing was accepted: ${wanted === undefined ? 'all stations together' : `station ${wanted}`} made fewer than ${minImages} images for ${name} ${version} from ${from} to ${to}`);
    return 1;
  }
  for (const { station, images } of accepted) console.log(`accepted for ${name} ${version}, ${from} to ${to}: ${stationInWords(station)}, ${images} images`);
  return 0;
}

async function reset(repository: DriftRepository, { name, version, reference }: Manifest): Promise<number> {
  const done = await repository.reset({ name, version });
  console.log(`${done ? 'forgotten' : 'nothing was accepted here'}; ${name} ${version} is compared with ${reference ? `what its package brings (${reference.set})` : 'nothing: its package brings no reference'}`);
  return 0;
}

/** The days of the window, where none are given. @throws {Error} where there are none between, or one is no day */
function periodOf(values: { from?: string | undefined; to?: string | undefined }, windowDays: number): { from: string; to: string } {
  const now = new Date();
  const [from, to] = [day(values.from) ?? dayBefore(now, windowDays - 1), day(values.to) ?? dayBefore(now, 0)];
  if (from > to) throw new Error(`there is no day from ${from} to ${to}`);
  return { from, to };
}

/** @throws {Error} for what is no day */
function day(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  if (!/^\d{4}-\d\d-\d\d$/.test(value) || Number.isNaN(Date.parse(value)) || new Date(value).toISOString().slice(0, 10) !== value) throw new Error(`${value} is no day; days are YYYY-MM-DD`);
  return value;
}

const stationInWords = (station: string | null): string => station ?? 'all stations';

function reportInWords({ from, to, minImages, models }: DriftReport): string {
  return [`images from ${from} to ${to}, where there are at least ${minImages}; levels as accepted -> now`, ...models.map(modelInWords)].join('\n\n');
}

function modelInWords({ name, version, places, otherStations }: DriftModel): string {
  const rest = otherStations > 0 ? [`  ${otherStations} more ${otherStations === 1 ? 'station' : 'stations'}, with too few images or beyond drift.maxStations, not compared`] : [];
  return [`${name} ${version}`, ...places.map(placeInWords), ...rest].join('\n');
}

function placeInWords({ station, images, accepted, quantities }: DriftPlaceReport): string {
  const rows = quantities.map((quantity) => `    ${quantityInWords(quantity)}`);
  const none = accepted === null ? 'nothing is accepted yet: hilum drift accept' : 'too few images';
  return [`  ${stationInWords(station)}: ${images} images, beside ${acceptedInWords(accepted)}`, ...(rows.length > 0 ? rows : [`    not compared: ${none}`])].join('\n');
}

function acceptedInWords(accepted: AcceptedFrom | null): string {
  if (accepted === null) return 'nothing';
  return accepted.by === 'package' ? `the package's reference (${accepted.set})` : `${stationInWords(accepted.station)}, accepted of ${accepted.from} to ${accepted.to}`;
}

function quantityInWords({ quantity, psi, ks, p, level, acceptedLevel, drifted, since }: DriftQuantity): string {
  const levels = `${levelInWords(quantity, acceptedLevel)} -> ${levelInWords(quantity, level)}`;
  const state = drifted ? `  DRIFTED since ${since?.slice(0, 16).replace('T', ' ')}` : '';
  return `${quantity.padEnd(12)} ${levels.padEnd(20)} PSI ${psi.toFixed(3)}  KS ${ks.toFixed(3)} (p ${p < 0.001 ? '< 0.001' : p.toFixed(3)})${state}`;
}
