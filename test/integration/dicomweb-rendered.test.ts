import assert from 'node:assert/strict';
import sharp from 'sharp';
import { MULTIPART, multipart, startTestGateway, testInstance, type TestGateway } from '../support/http-gateway.ts';

const COLUMNS = 60;
const ROWS = 40;
const rgb = Uint8Array.from({ length: ROWS * COLUMNS * 3 }, (_, index) => (index * 7) % 256);
const ramp = (start: number) => Uint8Array.from({ length: ROWS * COLUMNS }, (_, index) => Math.min(255, start + (index % COLUMNS) * 4));

describe('rendered instances', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway();
    const color = { Rows: ROWS, Columns: COLUMNS, SamplesPerPixel: 3, PhotometricInterpretation: 'RGB', PlanarConfiguration: 0, PixelData: rgb };
    const gray = { Rows: ROWS, Columns: COLUMNS, NumberOfFrames: '2', WindowCenter: '128', WindowWidth: '256', PixelData: Buffer.concat([ramp(0), ramp(16)]) };
    const none = { Rows: undefined, Columns: undefined, SamplesPerPixel: undefined, PhotometricInterpretation: undefined, BitsAllocated: undefined, BitsStored: undefined, HighBit: undefined, PixelRepresentation: undefined, PixelData: undefined };
    const parts = [testInstance(1, color), testInstance(2, gray), testInstance(3, none)];
    await fetch(`${gateway.url}/dicomweb/studies`, { method: 'POST', headers: { 'Content-Type': MULTIPART }, body: new Uint8Array(multipart(parts)) });
  });
  after(() => gateway.close());

  const get = (instance: number, rest = '/rendered', headers: Record<string, string> = {}) =>
    fetch(`${gateway.url}/dicomweb/studies/2.25.500/series/2.25.500.1/instances/2.25.500.1.${instance}${rest}`, { headers });
  const pixels = async (response: Response) => {
    assert.equal(response.status, 200, await response.clone().text());
    assert.equal(response.headers.get('content-type'), 'image/png');
    const { data, info } = await sharp(await response.bytes()).raw().toBuffer({ resolveWithObject: true });
    return { data, width: info.width, height: info.height, channels: info.channels };
  };

  it('shows a colour overlay pixel for pixel', async () => {
    const { data, width, height, channels } = await pixels(await get(1));
    assert.deepEqual([width, height, channels], [COLUMNS, ROWS, 3]);
    assert.ok(data.equals(rgb));
  });

  it('shows the frame that is asked for, through its window', async () => {
    const [first, second] = [await pixels(await get(2)), await pixels(await get(2, '/frames/2/rendered'))];
    const step = second.data[0]! - first.data[0]!;
    assert.ok(Math.abs(step - 16) <= 1, `the second frame is 16 brighter, not ${step}`);
  });

  it('fits the picture into a viewport, and never enlarges it', async () => {
    const small = await pixels(await get(1, '/rendered?viewport=30,30'));
    assert.deepEqual([small.width, small.height], [30, 20]);
    const large = await pixels(await get(1, '/rendered?viewport=2000,2000'));
    assert.deepEqual([large.width, large.height], [COLUMNS, ROWS]);
  });

  it('sends nothing again to a page that has the picture already', async () => {
    const tag = (await get(1)).headers.get('etag')!;
    assert.equal((await get(1, '/rendered', { 'If-None-Match': tag })).status, 304);
    assert.equal((await get(1, '/rendered?viewport=30,30', { 'If-None-Match': tag })).status, 200);
  });

  it('says why there is no picture', async () => {
    const refused: [Promise<Response>, number][] = [
      [get(9), 404],
      [get(3), 406],
      [get(1, '/rendered', { Accept: 'image/jpeg' }), 406],
      [get(1, '/rendered?viewport=big'), 400],
      [get(1, '/rendered?viewport=0,0'), 400],
      [get(2, '/frames/0/rendered'), 400],
    ];
    for (const [response, status] of refused) {
      assert.equal((await response).status, status, (await response).url);
      assert.ok(((await (await response).json()) as { detail: string }).detail);
    }
    assert.ok([400, 404, 406].includes((await get(2, '/frames/3/rendered')).status));
  });

  it('answers many at once, one after another', async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, (_, index) => get(1 + (index % 2))));
    for (const answer of answers) await pixels(answer);
  });
});
