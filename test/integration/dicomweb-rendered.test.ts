import assert from 'node:assert/strict';
import sharp from 'sharp';
import { MULTIPART, multipart, startTestGateway, testInstance, type TestGateway } from '../support/http-gateway.ts';

/** The parts of a multipart response. */
async function partsOf(response: Response): Promise<{ type: string; location: string; body: Buffer }[]> {
  const boundary = /boundary=([^;]+)/.exec(response.headers.get('content-type') ?? '')![1]!;
  const text = Buffer.from(await response.bytes()).toString('latin1');
  return text
    .split(`--${boundary}`)
    .slice(1, -1)
    .map((part) => {
      const end = part.indexOf('\r\n\r\n');
      const header = (name: string): string => new RegExp(`${name}: (.*)\r\n`, 'i').exec(part.slice(0, end + 2))?.[1] ?? '';
      return { type: header('Content-Type'), location: header('Content-Location'), body: Buffer.from(part.slice(end + 4, -2), 'latin1') };
    });
}

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
    fetch(`${gateway.url}/dicomweb/studies/2.25.500/series/2.25.500.1/instances/2.25.500.1.${instance}${rest}`, { headers: { Accept: 'image/png', ...headers } });
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

  it('fits the picture into a viewport, smaller or larger, in its own proportions', async () => {
    const small = await pixels(await get(1, '/rendered?viewport=30,30'));
    assert.deepEqual([small.width, small.height], [30, 20]);
    const large = await pixels(await get(1, '/rendered?viewport=240,600'));
    assert.deepEqual([large.width, large.height], [240, 160]);
  });

  it('shows a region of the image, turned around where its size is negative', async () => {
    const region = await pixels(await get(1, '/rendered?viewport=6,4,10,20,6,4'));
    assert.deepEqual([region.width, region.height], [6, 4]);
    for (let row = 0; row < 4; row++) assert.ok(region.data.subarray(row * 18, row * 18 + 18).equals(rgb.subarray(((20 + row) * COLUMNS + 10) * 3, ((20 + row) * COLUMNS + 16) * 3)), `row ${row}`);
    const turned = await pixels(await get(1, '/rendered?viewport=6,4,10,20,-6,4'));
    assert.deepEqual([...turned.data.subarray(0, 3)], [...region.data.subarray(15, 18)]);
    const rest = await pixels(await get(1, '/rendered?viewport=20,20,40,20'));
    assert.deepEqual([rest.width, rest.height], [20, 20]);
  });

  it('shows gray through the window that is asked for', async () => {
    const linear = await pixels(await get(2, '/rendered?window=100,2,linear'));
    assert.deepEqual([...new Set(linear.data)].toSorted((a, b) => a - b), [0, 255], 'a window of two values is black and white');
    const sigmoid = await pixels(await get(2, '/rendered?window=120,100,sigmoid'));
    // 1 / (1 + exp(-4 (x - 120) / 100)) at the first pixel, which is 0.
    assert.ok(Math.abs(sigmoid.data[0]! - 255 / (1 + Math.exp(4.8))) <= 1, String(sigmoid.data[0]));
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
      [get(1, '/rendered', { Accept: 'image/webp' }), 406],
      [get(1, '/rendered?accept=image/webp'), 406],
      [get(1, '/rendered?window=1,2'), 400],
      [get(1, '/rendered?window=1,0,linear'), 400],
      [get(1, '/rendered?window=1,5,cubic'), 400],
      [get(1, '/rendered?quality=0'), 400],
      [get(1, '/rendered?annotation=everything'), 400],
      [get(1, '/rendered?iccprofile=adobergb'), 400],
      [get(1, '/rendered?viewport=10,10,60,0,5,5'), 400],
      [get(1, '/rendered?viewport=10,10,0,0,0,5'), 400],
      [get(1, '/rendered?viewport=10,10&viewport=20,20'), 400],
      [get(2, '/frames/1,3/rendered', { Accept: '*/*' }), 404],
      [get(2, '/frames/1,2/rendered'), 406],
      [get(1, '/rendered?viewport=big'), 400],
      [get(1, '/rendered?viewport=0,0'), 400],
      [get(2, '/frames/0/rendered'), 400],
    ];
    for (const [response, status] of refused) {
      assert.equal((await response).status, status, (await response).url);
      assert.ok(((await (await response).json()) as { detail: string }).detail);
    }
    assert.equal((await get(2, '/frames/3/rendered')).status, 404);
    const { detail } = (await (await get(1, '/rendered?quality=high')).json()) as { detail: string };
    assert.equal(detail, 'The query parameter quality is "high" and must be a whole number of 1 to 100.');
  });

  it('sends JPEG where nothing else is asked for, in the quality that is asked for; GIF, and by the accept parameter', async () => {
    const jpeg = await get(1, '/rendered', { Accept: '*/*' });
    assert.equal(jpeg.headers.get('content-type'), 'image/jpeg');
    const [fine, coarse] = await Promise.all(['100', '5'].map(async (quality) => (await (await get(1, `/rendered?quality=${quality}`, { Accept: 'image/jpeg' })).bytes()).length));
    assert.ok(fine! > 3 * coarse!, `${fine} and ${coarse} bytes`);
    assert.equal((await sharp(await (await get(2, '/rendered?accept=image/gif')).bytes()).metadata()).format, 'gif');
    assert.equal((await get(1, '/rendered', { Accept: 'image/webp, image/jpeg;q=0.5, image/png;q=0.9' })).headers.get('content-type'), 'image/png');
  });

  it('sends frames, a series and a study as parts, and says what is left out', async () => {
    const frames = await get(2, '/frames/2,1/rendered', { Accept: 'multipart/related; type="image/png"' });
    assert.deepEqual((await partsOf(frames)).map(({ location }) => location.replace(/.*instances\//, '')), ['2.25.500.1.2/frames/2/rendered', '2.25.500.1.2/frames/1/rendered']);
    for (const path of ['/studies/2.25.500/rendered', '/studies/2.25.500/series/2.25.500.1/rendered']) {
      const response = await fetch(`${gateway.url}/dicomweb${path}`, { headers: { Accept: 'multipart/related; type="image/png"' } });
      assert.equal(response.status, 206);
      assert.match(response.headers.get('warning') ?? '', /^299 .*"1 of 3 instances/);
      const parts = await partsOf(response);
      assert.equal(parts.length, 3);
      assert.deepEqual(parts.map(({ type }) => type), ['image/png', 'image/png', 'image/png']);
      const { width, height } = await sharp(parts[0]!.body).metadata();
      assert.deepEqual([width, height], [COLUMNS, ROWS]);
    }
    const first = await fetch(`${gateway.url}/dicomweb/studies/2.25.500/rendered`, { headers: { Accept: 'image/png' } });
    assert.match(first.headers.get('warning') ?? '', /^299 .*"the first of 3 pictures/);
    assert.ok((await pixels(first)).data.equals(rgb));
    assert.equal((await fetch(`${gateway.url}/dicomweb/studies/2.25.501/rendered`)).status, 404);
  });

  it('gives a thumbnail of a study, a series, an instance and a frame', async () => {
    const at = (path: string): Promise<Response> => fetch(`${gateway.url}/dicomweb/studies/2.25.500${path}`);
    const series = '/series/2.25.500.1';
    for (const path of ['', series, `${series}/instances/2.25.500.1.1`, `${series}/instances/2.25.500.1.2/frames/2`]) {
      const response = await at(`${path}/thumbnail`);
      assert.equal(response.headers.get('content-type'), 'image/jpeg', path);
      const { width, height } = await sharp(await response.bytes()).metadata();
      assert.deepEqual([width, height], [200, 133], path);
    }
    const { width } = await sharp(await (await at('/thumbnail?viewport=64,64')).bytes()).metadata();
    assert.equal(width, 64);
    assert.equal((await at(`${series}/instances/2.25.500.1.3/thumbnail`)).status, 404);
    assert.equal((await at(`${series}/instances/2.25.500.1.2/frames/9/thumbnail`)).status, 404);
    assert.equal((await at(`${series}/instances/2.25.500.1.2/frames/1,2/thumbnail`)).status, 400);
  });

  it('burns in whose image it is and how it was made, where it is asked to', async () => {
    const [plain, patient, both] = await Promise.all(['', '&annotation=patient', '&annotation=patient,technique'].map(async (more) => pixels(await get(2, `/rendered?viewport=600,400${more}`))));
    const changed = (picture: typeof plain, from: number, to: number): number => {
      let count = 0;
      for (let at = from * 600; at < to * 600; at++) if (Math.abs(picture!.data[at * picture!.channels]! - plain!.data[at * plain!.channels]!) > 40) count++;
      return count;
    };
    assert.ok(changed(patient, 0, 100) > 300, 'the name stands at the top');
    assert.equal(changed(patient, 300, 400), 0);
    assert.ok(changed(both, 300, 400) > 100, 'the technique stands at the bottom');
  });

  it('puts the sRGB profile into colour where it is asked to', async () => {
    assert.equal((await sharp(await (await get(1)).bytes()).metadata()).icc, undefined);
    assert.ok((await sharp(await (await get(1, '/rendered?iccprofile=srgb')).bytes()).metadata()).icc);
  });

  it('answers many at once, one after another', async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, (_, index) => get(1 + (index % 2))));
    for (const answer of answers) await pixels(answer);
  });
});
