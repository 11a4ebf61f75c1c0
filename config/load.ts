// Finds, reads and validates the settings file; the environment overrides a few keys, for containers and tests.
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import type { z } from 'zod';
import { settingsSchema, type Settings } from './settings.ts';

/** The settings cannot be used. `problems` holds one line for each wrong key, with its path. */
export class SettingsError extends Error {
  readonly problems: string[];
  constructor(problems: string[], options?: ErrorOptions) {
    super(problems.join('\n'), options);
    this.name = 'SettingsError';
    this.problems = problems;
  }
}

export interface LoadedSettings extends Settings {
  /** Absolute path of the file, undefined for the built-in defaults. */
  file: string | undefined;
  /** From DATABASE_URL; undefined: the embedded Postgres. */
  databaseUrl: string | undefined;
}

const PROJECT = resolve(import.meta.dirname, '..');

type Environment = Record<string, string | undefined>;

/** Environment variable -> path of the setting that it overrides. */
const OVERRIDES: Record<string, { path: [string] | [string, string]; number?: true }> = {
  HILUM_HOME: { path: ['home'] },
  HILUM_HTTP_PORT: { path: ['http', 'port'], number: true },
  HILUM_DIMSE_PORT: { path: ['dimse', 'port'], number: true },
  HILUM_AE_TITLE: { path: ['dimse', 'aeTitle'] },
};

/**
 * @param file path from --config; else HILUM_CONFIG; else the built-in defaults
 * @throws {SettingsError}
 */
export async function loadSettings(file: string | undefined, environment: Environment = process.env): Promise<LoadedSettings> {
  const path = file ?? environment['HILUM_CONFIG'];
  const text = path === undefined ? '' : await readText(path);
  return parseSettings(text, path, environment);
}

/** @throws {SettingsError} */
export function parseSettings(text: string, file: string | undefined, environment: Environment = {}): LoadedSettings {
  const label = file ?? 'built-in defaults';
  const document = parseDocument(text, { prettyErrors: true });
  if (document.errors.length > 0) throw new SettingsError(document.errors.map((error) => `${label}: ${firstLine(error.message)}`));
  const tree: unknown = document.toJS() ?? {};
  if (typeof tree !== 'object' || tree === null || Array.isArray(tree)) throw new SettingsError([`${label}: must be a mapping of settings`]);
  const overridden = applyEnvironment(tree as Record<string, unknown>, environment);
  const parsed = settingsSchema.safeParse(overridden);
  if (!parsed.success) throw new SettingsError(parsed.error.issues.flatMap((issue) => describe(issue).map((line) => `${label}: ${line}`)));
  // Paths are meant from where the file lies, so that the gateway may be started from anywhere.
  const base = file === undefined ? process.cwd() : dirname(resolve(file));
  const settings = parsed.data;
  return {
    ...settings,
    home: environment['HILUM_HOME'] === undefined ? resolve(base, settings.home) : resolve(settings.home),
    // The packages that come with the project are found wherever it is started.
    models: settings.models.map((folder) => resolve('models' in tree ? base : PROJECT, folder)),
    peers: settings.peers.map((peer) => ({
      ...peer,
      ...(peer.requireUser && { requireUser: withPasscode(base, peer.requireUser) }),
      ...(peer.sendUser && { sendUser: withPasscode(base, peer.sendUser) }),
    })),
    destinations: settings.destinations.map((entry) => (entry.type === 'folder' ? { ...entry, path: resolve(base, entry.path) } : entry)),
    file: file === undefined ? undefined : resolve(file),
    databaseUrl: environment['DATABASE_URL'] || undefined,
  };
}

function withPasscode<User extends { passcodeFile?: string | undefined }>(base: string, user: User): User {
  return user.passcodeFile === undefined ? user : { ...user, passcodeFile: resolve(base, user.passcodeFile) };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new SettingsError([`${path}: cannot be read: ${(error as Error).message}`], { cause: error });
  }
}

function applyEnvironment(tree: Record<string, unknown>, environment: Environment): Record<string, unknown> {
  const result = structuredClone(tree);
  for (const [variable, { path, number }] of Object.entries(OVERRIDES)) {
    const value = environment[variable];
    if (value === undefined || value === '') continue;
    const [outer, inner] = path;
    const parsed = number ? Number(value) : value;
    if (number && !Number.isInteger(parsed)) throw new SettingsError([`${variable}: "${value}" is not a port number`]);
    if (inner === undefined) result[outer] = parsed;
    else result[outer] = { ...(result[outer] as object | undefined), [inner]: parsed };
  }
  return result;
}

/** One line an issue, with the path as it stands in the file: `routes[0].deliver[1].to: there is no destination "x"`. */
function describe(issue: z.core.$ZodIssue): string[] {
  const path = issue.path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('').replace(/^\./, '');
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${path === '' ? '' : `${path}.`}${key}: is not a setting`);
  return [`${path === '' ? 'settings' : path}: ${firstLine(issue.message)}`];
}

const firstLine = (text: string): string => text.split('\n', 1)[0] ?? text;
