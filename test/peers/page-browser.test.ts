import assert from 'node:assert/strict';
import pino from 'pino';
import { chromium, type Browser, type Page } from 'playwright-core';
import { ensurePage } from '../../gateway/http/build-page.ts';
import { startHttpServer, type HttpServer } from '../../gateway/http/server.ts';
import { settingsSchema } from '../../config/settings.ts';
import { NO_SOURCES, MULTIPART, multipart, startTestGateway, NO_RECYCLE_BIN, STEADY, testInstance, type TestGateway } from '../support/http-gateway.ts';
import { studyDetail } from '../support/memory-worklist.ts';
import { findTool } from '../support/peers.ts';
import type { SeverityAnswer, StudyDetail } from '../../gateway/worklist/worklist.ts';
import { Registry } from 'prom-client';

const FLAGS = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const COLUMNS = 800;
const ROWS = 1000;
const MODEL = { name: 'opacity', version: '1.2.3', sha256: 'c0ffee'.padEnd(64, '0') };
const REGIONS = [
  { x: 80, y: 200, width: 160, height: 250, label: 'opacity', score: 0.91, trackingUid: '2.25.77.1' },
  { x: 500.5, y: 600, width: 240, height: 100, label: 'opacity', score: 0.66, trackingUid: '2.25.77.2' },
];
const STUDY = '2.25.500';
const SOP = '2.25.500.1.1';
const OVERLAY = '2.25.500.1.2';

const SEVERITY: SeverityAnswer = { severity: { right: 12.4, left: 0, both: 6.1, basis: 'boxes', model: { name: 'lungs', version: '1', sha256: 'ab'.repeat(32) } }, severityReason: null };

/** A study whose image was really stored, with two regions, a delivered report, and an overlay that the PACS refuses. */
function positive(): StudyDetail {
  const base = studyDetail(1);
  const result = { model: { name: MODEL.name, version: MODEL.version }, seriesInstanceUid: '2.25.500.1', sourceSopInstanceUid: null, alternativeTo: null, createdAt: base.receivedAt, current: true, predecessor: null };
  return {
    ...base,
    studyInstanceUid: STUDY,
    patientName: 'Yamada^Tarou=山田^太郎=やまだ^たろう',
    patientId: 'P-4417942',
    probability: 0.93,
    positive: true,
    regions: 2,
    ...SEVERITY,
    delivery: 'partial',
    instances: [{ ...base.instances[0]!, sopInstanceUid: SOP, seriesInstanceUid: '2.25.500.1' }],
    analyses: [{ status: 'analyzed', label: 'opacity', finding: 'Opacity', sought: 'Opacity', probability: 0.93, threshold: 0.5, positive: true, scores: { opacity: 0.93 }, regions: REGIONS, provider: 'cpu', milliseconds: 31, sopInstanceUid: SOP, frame: 1, model: MODEL, rows: ROWS, columns: COLUMNS, ...SEVERITY }],
    overlay: `/dicomweb/studies/${STUDY}/series/2.25.500.1/instances/${OVERLAY}/rendered`,
    results: [
      { ...result, kind: 'structured-report', sopInstanceUid: '2.25.88.1', sopClassUid: '1.2.840.10008.5.1.4.1.1.88.34' },
      { ...result, kind: 'structured-report', sopInstanceUid: '2.25.88.3', sopClassUid: '1.2.840.10008.5.1.4.1.1.88.33', alternativeTo: '2.25.88.1' },
      { ...result, kind: 'overlay', sopInstanceUid: OVERLAY, sopClassUid: '1.2.840.10008.5.1.4.1.1.7', sourceSopInstanceUid: SOP },
    ],
    deliveries: [
      { destination: 'pacs', sopInstanceUid: '2.25.88.3', status: 'delivered', attempts: 1, lastError: null, nextAttemptAt: null, deliveredAt: base.receivedAt, commitment: null },
      { destination: 'pacs', sopInstanceUid: OVERLAY, status: 'pending', attempts: 3, lastError: 'A700: Refused: Out of Resources', nextAttemptAt: base.receivedAt, deliveredAt: null, commitment: null },
    ],
  };
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const start = Date.now(); !(await holds()); await new Promise((resolve) => setTimeout(resolve, 50)))
    assert.ok(Date.now() - start < 10_000, `not within ten seconds: ${what}`);
}

describe('the worklist page in a browser', function () {
  this.timeout(60_000);
  let browser: Browser;
  let gateway: TestGateway;
  let page: Page;
  let problems: string[];

  before(async () => {
    browser = await chromium.launch({ executablePath: findTool('chromium'), args: FLAGS });
  });
  after(() => browser.close());

  beforeEach(async () => {
    gateway = await startTestGateway({ webRoot: await ensurePage(pino({ level: 'silent' })) });
    const pixels = Uint8Array.from({ length: ROWS * COLUMNS }, (_, index) => (index % COLUMNS) / 4);
    const image = testInstance(1, { Rows: ROWS, Columns: COLUMNS, PixelData: pixels });
    const overlay = testInstance(2, { Rows: ROWS, Columns: COLUMNS, PixelData: pixels });
    await fetch(`${gateway.url}/dicomweb/studies`, { method: 'POST', headers: { 'Content-Type': MULTIPART }, body: new Uint8Array(multipart([image, overlay])) });
    page = await browser.newPage({ viewport: { width: 1600, height: 1000 } });
    problems = [];
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => message.type() === 'error' && !message.text().includes('Failed to load resource') && problems.push(message.text()));
  });
  afterEach(async () => {
    await page.close();
    await gateway.close();
    assert.deepEqual(problems, [], 'the page reports errors');
  });

  const fill = (): void => {
    gateway.worklist.put(positive());
    gateway.worklist.put(studyDetail(2, { patientName: 'Lateral^Only', analysis: 'not-analyzable', reason: 'lateral view', probability: null, positive: null, threshold: null }));
    gateway.worklist.put(studyDetail(3, { patientName: 'Иванов^Пётр', probability: 0.07 }));
  };
  const open = async (): Promise<void> => {
    await page.goto(`${gateway.url}/`);
    await page.locator('tbody tr').first().waitFor();
  };
  const names = () => page.locator('.worklist tbody .name').allTextContents();
  const row = (name: string) => page.locator('.worklist tbody tr', { hasText: name });

  it('lists the studies in the order of the server, with each state in words and the name in every script', async () => {
    fill();
    await open();
    assert.deepEqual(await names(), ['Yamada, Tarou', 'Lateral, Only', 'Иванов, Пётр']);
    const first = await row('Yamada').innerText();
    for (const words of ['山田 太郎', 'P-4417942', '64 y F', '93 %', 'R 12, L 0 % opaque', 'Chest PA', 'Complete', 'Analysed', 'Partial', 'Unread', '1 min']) assert.ok(first.includes(words), `${words} in ${first}`);
    assert.match(await row('Lateral').innerText(), /No answer[^]*Not analysable[^]*lateral view/);
    assert.match(await row('Иванов').innerText(), /None found/);
    assert.equal(await page.locator('.worklist thead th[scope=col]').count(), 8);
  });

  it('says that it is for research, and never that a study is clear', async () => {
    fill();
    await open();
    assert.match(await page.locator('footer').innerText(), /For research use.*found nothing is not cleared/);
    await row('Иванов').click();
    assert.match(await page.locator('.conclusion').innerText(), /found no opacity.*does not rule one out/);
    assert.doesNotMatch((await page.locator('body').innerText()).toLowerCase(), /\bnormal\b|healthy|no disease|all clear|unremarkable/);
  });

  it('shows a new study, and a study that moves, without being asked', async () => {
    fill();
    await open();
    gateway.worklist.put(studyDetail(4, { patientName: 'New^Urgent', probability: 0.99, positive: true, regions: 1 }), 0);
    await until('the new study stands first', async () => (await names())[0] === 'New, Urgent');
    gateway.worklist.put(studyDetail(3, { patientName: 'Иванов^Пётр', probability: 0.97, positive: true, regions: 1 }), 1);
    await until('the study moved', async () => (await names())[1] === 'Иванов, Пётр');
    assert.equal((await names()).length, 4);
  });

  it('opens a study with its image and the regions where they are in the image', async () => {
    fill();
    await open();
    await row('Yamada').click();
    await page.locator('.analysis-image img').waitFor();
    await until('the image is there', () => page.locator('.analysis-image img').evaluate((image: HTMLImageElement) => image.naturalWidth >= 800));
    const image = (await page.locator('.analysis-image img').boundingBox())!;
    assert.ok(Math.abs(image.width / image.height - COLUMNS / ROWS) < 0.01, 'the image keeps its shape');
    assert.ok(image.height > 500, 'the image is large enough to look at');
    for (const region of REGIONS) {
      const box = (await page.locator(`rect[data-region="${region.trackingUid}"]`).boundingBox())!;
      const scale = image.width / COLUMNS;
      const expected = [image.x + region.x * scale, image.y + region.y * scale, region.width * scale, region.height * scale];
      [box.x, box.y, box.width, box.height].forEach((value, side) => assert.ok(Math.abs(value - expected[side]!) <= 3, `${region.trackingUid}: ${value}, not ${expected[side]}`));
    }
    const text = await page.locator('.study-view').innerText();
    for (const words of ['91 %', '66 %', '80, 200', '160 × 250', 'opacity 1.2.3', 'threshold 50 %', 'Structured Report', 'Delivered in the form that it takes', 'A700: Refused: Out of Resources']) assert.ok(text.includes(words), `${words} in ${text}`);
    await page.keyboard.press('h');
    assert.equal(await page.locator('rect[data-region]').count(), 0, 'regions can be taken away');
    await page.getByRole('button', { name: 'Overlay as sent' }).click();
    await until('the overlay is there', () => page.locator('.overlay img').evaluate((overlay: HTMLImageElement) => overlay.naturalWidth === 800));
  });

  it('is worked with the keyboard alone', async () => {
    fill();
    await open();
    const selected = () => page.locator('tr[aria-current] .name').allTextContents();
    await page.keyboard.press('ArrowDown');
    assert.deepEqual(await selected(), ['Yamada, Tarou']);
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    assert.match(await page.locator('.study-view').innerText(), /Lateral, Only[^]*lateral view/);
    await page.keyboard.press('ArrowDown');
    assert.match(await page.locator('.study-view h2').innerText(), /Иванов/);
    await page.keyboard.press('r');
    await until('the study is marked as read', async () => (await gateway.worklist.study('2.25.1000.3'))!.reading === 'read');
    await until('the row says so', async () => (await row('Иванов').innerText()).includes('Read'));
    await page.keyboard.press('u');
    await until('it is unread again', async () => (await gateway.worklist.study('2.25.1000.3'))!.reading === 'unread');
    await page.keyboard.press('Escape');
    assert.equal(await page.locator('.study-view').count(), 0);
    await page.keyboard.press('ArrowUp');
    assert.deepEqual(await selected(), ['Lateral, Only']);
    assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'TR', 'the selected row has the focus');
  });

  it('shows what becomes of an opened study', async () => {
    fill();
    await open();
    await row('Lateral').click();
    await page.locator('.conclusion', { hasText: 'lateral view' }).waitFor();
    const study = (await gateway.worklist.study('2.25.1000.2'))!;
    gateway.worklist.put({ ...study, reason: 'the study was sent again', instances: [...study.instances, { ...study.instances[0]!, sopInstanceUid: '2.25.99' }] }, 1);
    gateway.worklist.tell('2.25.1000.3');
    await until('both instances are listed', async () => (await page.locator('.study-view').innerText()).includes('2 instances received'));
    await until('the reason is the new one', async () => (await page.locator('.conclusion').innerText()).includes('sent again'));
  });

  it('keeps the selection on its study while the list moves beneath', async () => {
    fill();
    await open();
    await page.keyboard.press('ArrowDown');
    gateway.worklist.put(studyDetail(4, { patientName: 'New^Urgent', probability: 0.99, positive: true }), 0);
    await until('the new study is there', async () => (await names()).length === 4);
    assert.deepEqual(await page.locator('tr[aria-current] .name').allTextContents(), ['Yamada, Tarou']);
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('data-study')), STUDY);
  });

  it('says how to send the first study when there is none', async () => {
    await page.goto(`${gateway.url}/`);
    await page.getByText('No studies yet').waitFor();
    const text = await page.locator('main').innerText();
    assert.match(text, /AE title\s+HILUM/);
    assert.match(text, /Port\s+11112/);
  });

  it('says clearly that the connection is lost and how old the list is, and recovers by itself', async () => {
    fill();
    await open();
    const { port } = gateway.server;
    await gateway.server.drain();
    await page.locator('.banner', { hasText: /Connection lost\..*list as of \d{4}-/ }).waitFor();
    assert.deepEqual((await names()).length, 3, 'what was known is still shown');
    gateway.worklist.put(studyDetail(4, { patientName: 'Meanwhile^Sent' }), 0);
    const back = await restart(port);
    await until('the list is live again', async () => (await names())[0] === 'Meanwhile, Sent' && (await page.locator('.banner').count()) === 0);
    await page.goto('about:blank');
    await back.drain();
  });

  async function restart(port: number): Promise<HttpServer> {
    return startHttpServer({
      settings: settingsSchema.parse({ http: { port }, limits: { drainSeconds: 1 } }),
      receiver: gateway.store,
      spool: gateway.store.spool,
      recycleBin: NO_RECYCLE_BIN,
      indexed: async () => undefined,
      archive: gateway.store,
      transcoder: gateway.transcoder,
      worklist: gateway.worklist,
      events: gateway.worklist,
      drift: { report: async () => STEADY },
      comparisons: { report: async () => undefined },
      retrievals: NO_SOURCES,
      health: { live: () => ({ ok: true, checks: {} }), ready: async () => ({ ok: true, checks: {} }) },
      about: () => ({ aeTitle: 'HILUM', dimsePort: 11112, version: '0.1.0' }),
      metrics: new Registry(),
      log: pino({ level: 'silent' }),
      webRoot: undefined,
    });
  }
});
