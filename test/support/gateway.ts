// A whole gateway for tests: in this process, or as a child that may be killed. Everything lies in a folder of its own.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { stringify } from 'yaml';
import { phantomDicom, type PhantomDicomSpec } from '../../ai/phantom/dicom.ts';
import { parseSettings } from '../../config/load.ts';
import { DimseDestination } from '../../gateway/delivery/destinations/dimse.ts';
import type { SendOutcome } from '../../gateway/delivery/destinations/destination.ts';
import { startGateway, type Gateway } from '../../gateway/main.ts';
import type { StudyDetail, WorklistEntry } from '../../gateway/worklist/worklist.ts';
import { text } from '../../storage/dicom/dataset.ts';
import { readPart10 } from '../../storage/dicom/part10.ts';

const ROOT = resolve(import.meta.dirname, '../..');
/** Long enough for the slowest machine; a test that waits so long has failed anyway. */
const LIMIT_MS = 60_000;

export type Tree = Record<string, unknown>;

/** The settings of a test: short times, a folder as destination. */
export function testSettings(home: string, overrides: Tree = {}): Tree {
  return {
    home,
    http: { port: 0 },
    dimse: { port: 0 },
    log: { level: 'fatal' },
    limits: { freeDiskBytes: 50_000_000 },
    inference: { providers: ['cpu'] },
    models: [join(ROOT, 'ai/models/opacity')],
    destinations: [{ name: 'folder', type: 'folder', path: join(home, 'out'), retry: { firstSeconds: 0.1, maxSeconds: 1 } }],
    routes: [
      {
        name: 'chest',
        when: { Modality: ['CR', 'DX'], BodyPartExamined: ['CHEST', ''] },
        completeAfterSeconds: 0.5,
        models: ['opacity'],
        deliver: [{ to: 'folder' }],
      },
    ],
    ...overrides,
  };
}

export async function temporaryFolder(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'hilum-test-'));
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) };
}

export interface TestGateway extends Gateway {
  home: string;
  api: string;
}

/** @param databaseUrl a Postgres of the test's own; else the embedded one */
export async function startTestGateway(home: string, overrides: Tree = {}, databaseUrl?: string): Promise<TestGateway> {
  const settings = { ...parseSettings(stringify(testSettings(home, overrides)), undefined), databaseUrl };
  const gateway = await startGateway(settings, pino({ level: 'fatal' }));
  return { ...gateway, home, api: `http://127.0.0.1:${gateway.httpPort}` };
}

export interface ChildGateway {
  process: ChildProcess;
  httpPort: number;
  dimsePort: number;
  api: string;
  /** Ends it in order. @returns its exit code */
  stop(): Promise<number | null>;
  kill(): Promise<void>;
}

/** The gateway as `npm start` runs it. */
export async function spawnGateway(home: string, overrides: Tree = {}, databaseUrl = ''): Promise<ChildGateway> {
  const config = join(home, 'hilum.yaml');
  await writeFile(config, stringify(testSettings(home, overrides)));
  const child = spawn(process.execPath, ['gateway/cli.ts', 'start', '--config', config], {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DATABASE_URL: databaseUrl },
  });
  const ended = once(child, 'exit');
  const ports = await waitFor(async () => {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`the gateway ended at start (${child.exitCode ?? child.signalCode})`);
    const found = JSON.parse(await readFile(join(home, 'ports.json'), 'utf8').catch(() => '{}')) as { http?: number; dimse?: number; pid?: number };
    return found.pid === child.pid ? found : undefined;
  }, 'ports.json');
  return {
    process: child,
    httpPort: ports.http ?? 0,
    dimsePort: ports.dimse ?? 0,
    api: `http://127.0.0.1:${ports.http}`,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
      return child.exitCode;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Asks until there is an answer. @throws {Error} naming what did not come */
export async function waitFor<T>(ask: () => Promise<T | undefined | false>, what: string, limitMs = LIMIT_MS): Promise<T> {
  for (const deadline = Date.now() + limitMs; ; await sleep(50)) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() > deadline) throw new Error(`waited ${limitMs / 1000} s for ${what}`);
  }
}

/** Writes a phantom as a file and tells what a sender must know of it. */
export async function phantomFile(folder: string, spec: PhantomDicomSpec): Promise<SentFile> {
  const bytes = await phantomDicom({ columns: 320, rows: 384, ...spec });
  const path = join(folder, `${crypto.randomUUID()}.dcm`);
  await writeFile(path, bytes);
  return describeFile(path);
}

export interface SentFile {
  path: string;
  sopClassUid: string;
  sopInstanceUid: string;
  studyInstanceUid: string;
  transferSyntaxUid: string;
}

export async function describeFile(path: string): Promise<SentFile> {
  const { dataset, transferSyntaxUid } = await readPart10(path);
  const of = (keyword: string): string => text(dataset, keyword) ?? '';
  return { path, transferSyntaxUid, sopClassUid: of('SOPClassUID'), sopInstanceUid: of('SOPInstanceUID'), studyInstanceUid: of('StudyInstanceUID') };
}

/** C-STORE of files over one association, as a modality does it. */
export async function cStore(port: number, files: readonly SentFile[], callingAe = 'MODALITY'): Promise<SendOutcome[]> {
  const remote = { host: '127.0.0.1', port, calledAe: 'HILUM', callingAe };
  const client = new DimseDestination({ remote, maxPduBytes: 262_144, timeoutMs: 30_000, log: pino({ level: 'silent' }) });
  const outcomes: SendOutcome[] = [];
  try {
    for await (const outcome of client.send([...files], AbortSignal.timeout(LIMIT_MS))) outcomes.push(outcome);
  } finally {
    await client.close();
  }
  return outcomes;
}

export async function studyOf(api: string, studyInstanceUid: string): Promise<StudyDetail | undefined> {
  const response = await fetch(`${api}/api/studies/${studyInstanceUid}`);
  return response.ok ? ((await response.json()) as StudyDetail) : undefined;
}

export async function worklistOf(api: string): Promise<WorklistEntry[]> {
  const response = await fetch(`${api}/api/worklist?limit=1000`);
  return ((await response.json()) as { entries: WorklistEntry[] }).entries;
}

/** Waits until the newest outcome of a study is at its destinations. */
export async function waitForDelivery(api: string, studyInstanceUid: string, reports = 1): Promise<StudyDetail> {
  return waitFor(async () => {
    const study = await studyOf(api, studyInstanceUid);
    const made = study?.results.filter(({ kind, alternativeTo }) => kind === 'structured-report' && !alternativeTo).length ?? 0;
    return study?.delivery === 'delivered' && study.intake === 'complete' && made >= reports && study;
  }, `the results of study ${studyInstanceUid}`);
}
