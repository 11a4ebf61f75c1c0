// hilum demo [FOLDER] [--exit]: a gateway, a small PACS beside it, and radiographs sent through both; then a table of what came
// back. Without a folder the radiographs are synthetic (ai/phantom), and no patient's.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { pino, type Logger } from 'pino';
import { stringify } from 'yaml';
import { parseSettings, type LoadedSettings } from '../../config/load.ts';
import { withinSentence } from '../../ai/results/wording.ts';
import type { StudyDetail } from '../worklist/worklist.ts';
import { startGateway, type Gateway } from '../main.ts';
import { demoStudies, folderStudies, type DemoStudy } from './demo-studies.ts';
import { DemoPacs, sendByDimse, sendByStow } from './demo-pacs.ts';

/** Of quiet, after which a study of the demo counts as complete. */
const COMPLETE_AFTER_SECONDS = 2;
/** What is not back by then is shown as it stands. */
const LIMIT_MS = 150_000;

export async function demoCommand(args: string[], settings: LoadedSettings): Promise<number> {
  const { values, positionals } = parseArgs({ args, options: { exit: { type: 'boolean', default: false } }, allowPositionals: true });
  const home = await mkdtemp(join(tmpdir(), 'hilum-demo-'));
  const log: Logger = pino({ level: 'warn' });
  let gateway: Gateway | undefined;
  const pacs = await DemoPacs.start(join(home, 'pacs'), log);
  try {
    console.log('Starting the gateway with a Postgres of its own and a small PACS beside it …');
    gateway = await startGateway(demoSettings(home, pacs.port, values.exit, settings), log);
    pacs.routeTo(gateway.dimsePort ?? 0);
    const page = `http://127.0.0.1:${gateway.httpPort}/`;
    console.log(`Worklist: ${page}   modalities send to AE HILUM, 127.0.0.1 port ${gateway.dimsePort}\n`);
    const [folder] = positionals;
    const studies = folder === undefined ? await demoStudies(join(home, 'modality')) : await folderStudies(folder);
    if (studies.length === 0) throw new Error(`there is no DICOM file in ${folder}`);
    await send(studies, gateway, pacs, log);
    const complete = await waitForReports(studies, pacs, page);
    console.log(await table(studies, pacs, page));
    if (!complete) console.error('\nNot everything came back in time.');
    if (!values.exit) {
      console.log(`\nThe worklist stays open at ${page} until you press Ctrl+C.`);
      await new Promise<void>((resolve) => {
        process.once('SIGINT', resolve);
        process.once('SIGTERM', resolve);
      });
    }
    return complete ? 0 : 1;
  } finally {
    await gateway?.stop();
    await pacs.stop();
    await rm(home, { recursive: true, force: true });
  }
}

/** The built-in route with a short quiet period, towards the demo's PACS. Kept open, the page has its usual port where that is free. */
function demoSettings(home: string, pacsPort: number, exit: boolean, { models, inference, http }: LoadedSettings): LoadedSettings {
  const tree = {
    home: join(home, 'gateway'),
    http: { port: exit ? 0 : http.port },
    dimse: { port: 0 },
    limits: { freeDiskBytes: 500_000_000 },
    log: { level: 'warn' },
    inference,
    models,
    peers: [{ name: 'pacs', aeTitle: 'PACS', host: '127.0.0.1', port: pacsPort }],
    destinations: [{ name: 'pacs', type: 'dimse', peer: 'pacs' }],
    routes: [
      {
        name: 'chest radiographs',
        when: { Modality: ['CR', 'DX'], BodyPartExamined: ['CHEST', 'THORAX', ''] },
        completeAfterSeconds: COMPLETE_AFTER_SECONDS,
        models: ['opacity'],
        deliver: [{ to: 'pacs' }],
      },
    ],
  };
  return parseSettings(stringify(tree), undefined, {});
}

async function send(studies: DemoStudy[], gateway: Gateway, pacs: DemoPacs, log: Logger): Promise<void> {
  for (const [index, study] of studies.entries()) {
    progress(`Sending study ${index + 1} of ${studies.length} …`);
    if (study.way === 'C-STORE') await sendByDimse(study.files, { port: gateway.dimsePort ?? 0, aeTitle: 'HILUM' }, log);
    else if (study.way === 'PACS') await sendByDimse(study.files, { port: pacs.port, aeTitle: 'PACS' }, log);
    else await sendByStow(study.files, `http://127.0.0.1:${gateway.httpPort}/dicomweb`);
    study.acknowledgedAt = Date.now();
  }
  progress('');
  console.log('All studies are sent and acknowledged.');
}

/** A study that no route takes gets no report: it has ended when it is complete. */
async function waitForReports(studies: DemoStudy[], pacs: DemoPacs, page: string): Promise<boolean> {
  for (const deadline = Date.now() + LIMIT_MS; Date.now() < deadline; await sleep(200)) {
    const open = studies.filter(({ studyInstanceUid }) => !pacs.reports.has(studyInstanceUid));
    const details = await Promise.all(open.map(({ studyInstanceUid }) => detailOf(studyInstanceUid, page)));
    const unrouted = details.filter((detail) => detail?.analysis === 'not-routed' && detail.intake === 'complete').length;
    progress(`Reports in the PACS: ${studies.length - open.length} of ${studies.length - unrouted}`);
    if (open.length === unrouted) {
      progress('');
      return true;
    }
  }
  progress('');
  return false;
}

/** One line that is written over, for people; a log gets none of it. */
function progress(text: string): void {
  if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K${text}`);
}

async function detailOf(studyInstanceUid: string, page: string): Promise<StudyDetail | undefined> {
  const response = await fetch(`${page}api/studies/${studyInstanceUid}`);
  return response.ok ? ((await response.json()) as StudyDetail) : undefined;
}

async function table(studies: DemoStudy[], pacs: DemoPacs, page: string): Promise<string> {
  const head = ['study', 'sent by', 'transfer syntax', 'outcome', 'probability', 'regions', 'report after'];
  const rows = await Promise.all(studies.map((study) => row(study, pacs, page)));
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((cells) => (cells[column] ?? '').length)));
  const line = (cells: string[]): string => cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd();
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

async function row(study: DemoStudy, pacs: DemoPacs, page: string): Promise<string[]> {
  const detail = await detailOf(study.studyInstanceUid, page);
  const arrived = pacs.reports.get(study.studyInstanceUid);
  const waited = arrived === undefined || study.acknowledgedAt === undefined ? 'not there' : `${(Math.max(0, arrived - study.acknowledgedAt) / 1000).toFixed(1)} s`;
  const outcome = detail === undefined ? 'not received' : detail.analysis === 'analyzed' ? (detail.positive ? `${withinSentence(detail.finding ?? 'finding')} found` : `no ${withinSentence(detail.sought ?? 'finding')} found`) : `${detail.analysis}: ${detail.reason ?? ''}`;
  return [study.title, study.way, study.transferSyntax, outcome.slice(0, 110), detail?.probability?.toFixed(3) ?? '', detail?.regions.toString() ?? '', waited];
}
