import assert from 'node:assert/strict';
import sharp from 'sharp';
import { code } from '../../storage/dicom/dataset.ts';
import { MULTIPART, multipart, startTestGateway, testInstance, type TestGateway } from '../support/http-gateway.ts';

const SIDE = 100;
/** Dark on the left, bright on the right. */
const pixels = Uint8Array.from({ length: SIDE * SIDE }, (_, at) => (at % SIDE < SIDE / 2 ? 60 : 180));
const IMAGE = '2.25.500.1.1';
const reference = [{ ReferencedSOPClassUID: '1.2.840.10008.5.1.4.1.1.7', ReferencedSOPInstanceUID: IMAGE }];
const NO_PIXELS = Object.fromEntries(['Rows', 'Columns', 'SamplesPerPixel', 'PhotometricInterpretation', 'BitsAllocated', 'BitsStored', 'HighBit', 'PixelRepresentation', 'PixelData'].map((keyword) => [keyword, undefined]));

const state = (number: number, values: Record<string, unknown>): Uint8Array =>
  testInstance(number, {
    ...NO_PIXELS,
    SOPClassUID: '1.2.840.10008.5.1.4.1.1.11.1',
    Modality: 'PR',
    ReferencedSeriesSequence: [{ SeriesInstanceUID: '2.25.500.1', ReferencedImageSequence: reference }],
    PresentationLUTShape: 'IDENTITY',
    ...values,
  });

const report = testInstance(6, {
  ...NO_PIXELS,
  SOPClassUID: '1.2.840.10008.5.1.4.1.1.88.33',
  Modality: 'SR',
  ValueType: 'CONTAINER',
  ConceptNameCodeSequence: [code('126000', 'DCM', 'Imaging <Measurement> Report')],
  CurrentRequestedProcedureEvidenceSequence: [{ StudyInstanceUID: '2.25.500', ReferencedSeriesSequence: [{ SeriesInstanceUID: '2.25.500.1', ReferencedSOPSequence: reference }] }],
  ContentSequence: [
    { RelationshipType: 'CONTAINS', ValueType: 'TEXT', ConceptNameCodeSequence: [code('121106', 'DCM', 'Comment')], TextValue: '<script>alert(1)</script>\nsecond line' },
    {
      RelationshipType: 'CONTAINS',
      ValueType: 'CONTAINER',
      ConceptNameCodeSequence: [code('126010', 'DCM', 'Imaging Measurements')],
      ContentSequence: [
        { ValueType: 'NUM', ConceptNameCodeSequence: [code('122157', 'DCM', 'Probability')], MeasuredValueSequence: [{ NumericValue: '93', MeasurementUnitsCodeSequence: [code('%', 'UCUM', 'percent')] }] },
        { ValueType: 'CODE', ConceptNameCodeSequence: [code('121071', 'DCM', 'Finding')], ConceptCodeSequence: [code('112001', 'DCM', 'Opacity')] },
        { ValueType: 'IMAGE', ReferencedSOPSequence: reference },
        { ValueType: 'PNAME', ConceptNameCodeSequence: [code('121008', 'DCM', 'Observer')], PersonName: { Alphabetic: 'Doe^Jane' } },
      ],
    },
  ],
});

const pdf = Buffer.from('%PDF-1.4 not really');

describe('presentation states, reports and WADO-URI', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway();
    const parts = [
      testInstance(1, { Rows: SIDE, Columns: SIDE, WindowCenter: '120', WindowWidth: '256', PixelData: pixels }),
      state(2, { SoftcopyVOILUTSequence: [{ WindowCenter: '120', WindowWidth: '2' }] }),
      state(3, { PresentationLUTShape: 'INVERSE', ShutterShape: 'CIRCULAR', CenterOfCircularShutter: [50, 50], RadiusOfCircularShutter: 30, ShutterPresentationValue: 0 }),
      state(4, {
        ImageRotation: 90,
        ImageHorizontalFlip: 'N',
        GraphicAnnotationSequence: [
          {
            GraphicLayer: 'MARKS',
            GraphicObjectSequence: [{ GraphicAnnotationUnits: 'PIXEL', GraphicDimensions: 2, NumberOfGraphicPoints: 2, GraphicData: [20, 30, 80, 30], GraphicType: 'POLYLINE', GraphicFilled: 'N' }],
            TextObjectSequence: [{ UnformattedTextValue: 'A note', BoundingBoxAnnotationUnits: 'PIXEL', BoundingBoxTopLeftHandCorner: [10, 60], BoundingBoxBottomRightHandCorner: [60, 80] }],
          },
          { ReferencedImageSequence: [{ ReferencedSOPInstanceUID: '2.25.77' }], GraphicObjectSequence: [{ GraphicAnnotationUnits: 'PIXEL', GraphicData: [0, 0, 99, 99], GraphicType: 'POLYLINE' }] },
        ],
      }),
      testInstance(5, { Rows: SIDE, Columns: SIDE, NumberOfFrames: '2', PixelData: Buffer.concat([pixels, pixels.toReversed()]) }),
      report,
      testInstance(7, { ...NO_PIXELS, SOPClassUID: '1.2.840.10008.5.1.4.1.1.104.1', Modality: 'DOC', MIMETypeOfEncapsulatedDocument: 'application/pdf', EncapsulatedDocument: Buffer.concat([pdf, Buffer.alloc(1)]), EncapsulatedDocumentLength: pdf.length }),
      state(8, { ReferencedSeriesSequence: [{ SeriesInstanceUID: '2.25.1', ReferencedImageSequence: [{ ReferencedSOPClassUID: '1.2', ReferencedSOPInstanceUID: '2.25.2' }] }] }),
    ];
    const stored = await fetch(`${gateway.url}/dicomweb/studies`, { method: 'POST', headers: { 'Content-Type': MULTIPART }, body: new Uint8Array(multipart(parts)) });
    assert.equal(stored.status, 200, await stored.text());
  });
  after(() => gateway.close());

  const rendered = (number: number, rest = '/rendered', headers: Record<string, string> = { Accept: 'image/png' }): Promise<Response> =>
    fetch(`${gateway.url}/dicomweb/studies/2.25.500/series/2.25.500.1/instances/2.25.500.1.${number}${rest}`, { headers });
  const byUri = (parameters: Record<string, string>, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${gateway.url}/wado?${new URLSearchParams({ requestType: 'WADO', studyUID: '2.25.500', seriesUID: '2.25.500.1', objectUID: IMAGE, ...parameters })}`, { headers });
  const picture = async (response: Response) => {
    assert.equal(response.status, 200, await response.clone().text());
    const { data, info } = await sharp(await response.bytes()).raw().toBuffer({ resolveWithObject: true });
    const at = (x: number, y: number): number[] => [...data.subarray((y * info.width + x) * info.channels, (y * info.width + x) * info.channels + Math.min(3, info.channels))];
    return { width: info.width, height: info.height, at };
  };
  const isYellow = ([red = 0, green = 0, blue = 0]: number[]): boolean => red > 180 && green > 140 && blue < 130;

  it('shows the image of a presentation state through its window', async () => {
    const { at } = await picture(await rendered(2));
    assert.deepEqual([at(10, 10)[0], at(90, 10)[0]], [0, 255]);
  });

  it('inverts, and covers what lies outside of the shutter', async () => {
    const { at } = await picture(await rendered(3));
    assert.ok(Math.abs(at(40, 50)[0]! - (255 - 60)) <= 1 && Math.abs(at(60, 50)[0]! - (255 - 180)) <= 1, `${at(40, 50)} ${at(60, 50)}`);
    assert.deepEqual([at(2, 2)[0], at(97, 97)[0], at(50, 15)[0]], [0, 0, 0]);
  });

  it('draws what the state has for this image, and turns it with the image', async () => {
    const { at } = await picture(await rendered(4));
    // Turned clockwise, the dark left half is on top, and row 30 is the column at 100 - 30.
    assert.ok(at(5, 10)[0]! < 100 && at(5, 90)[0]! > 100);
    assert.ok(isYellow(at(69, 50)) || isYellow(at(70, 50)), `${at(69, 50)} ${at(70, 50)}`);
    assert.ok(!isYellow(at(90, 90)), 'the line of another image is not drawn');
  });

  it('gives the presentation of one image by its state in WADO-URI, and nothing beside it', async () => {
    const { at } = await picture(await byUri({ presentationSeriesUID: '2.25.500.1', presentationUID: '2.25.500.1.2', contentType: 'image/png' }));
    assert.deepEqual([at(10, 10)[0], at(90, 10)[0]], [0, 255]);
    const refused: [Record<string, string>, number, RegExp][] = [
      [{ presentationUID: '2.25.500.1.2' }, 400, /go together/],
      [{ presentationSeriesUID: '2.25.500.1', presentationUID: '2.25.500.1.2', windowCenter: '1', windowWidth: '2' }, 400, /windowCenter/],
      [{ presentationSeriesUID: '2.25.500.1', presentationUID: IMAGE }, 404, /no presentation state/],
    ];
    for (const [parameters, status, words] of refused) await refuses(byUri(parameters), status, words);
    await refuses(rendered(8), 404, /is here/);
  });

  it('shows a report as a page that runs nothing, with links to its images', async () => {
    const response = await rendered(6, '/rendered', { Accept: 'text/html,*/*;q=0.1' });
    assert.equal(response.headers.get('content-type'), 'text/html; charset=utf-8');
    assert.match(response.headers.get('content-security-policy') ?? '', /sandbox/);
    const html = await response.text();
    assert.match(html, /<h1>Imaging &lt;Measurement&gt; Report<\/h1>/);
    assert.match(html, /Comment:<\/span> &lt;script&gt;alert\(1\)&lt;\/script&gt;<br>second line/);
    assert.match(html, /Probability:<\/span> 93 %/);
    assert.match(html, /Finding:<\/span> Opacity/);
    assert.match(html, /Observer:<\/span> Doe, Jane/);
    assert.match(html, /href="http:[^"]*\/instances\/2\.25\.500\.1\.1\/rendered"/);
    await refuses(rendered(6), 406, /text\/html/);
    assert.equal((await byUri({ objectUID: '2.25.500.1.6' })).headers.get('content-type'), 'text/html; charset=utf-8');
  });

  it('gives an encapsulated document as it is', async () => {
    const response = await rendered(7, '/rendered', { Accept: 'application/pdf' });
    assert.equal(response.headers.get('content-type'), 'application/pdf');
    assert.deepEqual(Buffer.from(await response.bytes()), pdf);
  });

  describe('WADO-URI', () => {
    it('gives JPEG of one frame, a file of several, and what contentType asks for', async () => {
      assert.equal((await byUri({})).headers.get('content-type'), 'image/jpeg');
      assert.equal((await byUri({ contentType: 'image/png' })).headers.get('content-type'), 'image/png');
      assert.equal((await byUri({ objectUID: '2.25.500.1.5' })).headers.get('content-type'), 'application/dicom; transfer-syntax=1.2.840.10008.1.2.1');
      assert.equal((await byUri({ objectUID: '2.25.500.1.5', frameNumber: '2', contentType: 'image/webp;q=0.9,image/jpeg;q=0.5' })).headers.get('content-type'), 'image/jpeg');
    });

    it('shows the frame, region, window and size that are asked for', async () => {
      const second = await picture(await byUri({ objectUID: '2.25.500.1.5', frameNumber: '2', contentType: 'image/png', windowCenter: '120', windowWidth: '2' }));
      assert.deepEqual([second.at(10, 10)[0], second.at(90, 10)[0]], [255, 0]);
      const right = await picture(await byUri({ region: '0.5,0,1,0.5', rows: '200', contentType: 'image/png', windowCenter: '120', windowWidth: '2' }));
      assert.deepEqual([right.width, right.height, right.at(0, 0)[0]], [200, 200, 255]);
      const small = await picture(await byUri({ columns: '20', rows: '50' }));
      assert.deepEqual([small.width, small.height], [20, 20]);
    });

    it('gives files in the transfer syntax that is asked for, or in Explicit VR Little Endian', async () => {
      for (const [wanted, given] of [
        ['1.2.840.10008.1.2.4.90', '1.2.840.10008.1.2.4.90'],
        ['1.2.840.10008.1.2', '1.2.840.10008.1.2.1'],
        ['1.2.840.10008.1.2.4.100', '1.2.840.10008.1.2.1'],
      ] as const) {
        const response = await byUri({ contentType: 'application/dicom', transferSyntax: wanted });
        assert.equal(response.headers.get('content-type'), `application/dicom; transfer-syntax=${given}`);
        assert.equal(Buffer.from(await response.bytes()).toString('latin1', 128, 132), 'DICM');
      }
    });

    it('says which parameter is wrong', async () => {
      const refused: [Record<string, string>, number, RegExp][] = [
        [{ requestType: 'WADORS' }, 400, /requestType/],
        [{ studyUID: 'x' }, 400, /studyUID/],
        [{ studyUID: '' }, 400, /studyUID/],
        [{ objectUID: '2.25.9' }, 404, /no instance 2\.25\.9/],
        [{ anonymize: 'yes' }, 400, /anonymize/],
        [{ charset: 'ISO-8859-1' }, 406, /UTF-8/],
        [{ contentType: 'video/mpeg' }, 406, /image\/jpeg/],
        [{ windowCenter: '5' }, 400, /go together/],
        [{ windowCenter: '5', windowWidth: '0' }, 400, /windowWidth/],
        [{ rows: '-4' }, 400, /rows/],
        [{ region: '0,0,2,1' }, 400, /region/],
        [{ region: '0.5,0,0.5,1' }, 400, /region/],
        [{ imageQuality: '101' }, 400, /imageQuality/],
        [{ annotation: 'all' }, 400, /annotation/],
        [{ frameNumber: '2' }, 400, /frameNumber/],
        [{ contentType: 'application/dicom', transferSyntax: 'jpeg' }, 400, /transferSyntax/],
      ];
      for (const [parameters, status, words] of refused) await refuses(byUri(parameters), status, words);
    });
  });
});

async function refuses(answer: Promise<Response>, status: number, words: RegExp): Promise<void> {
  const response = await answer;
  const body = await response.text();
  assert.equal(response.status, status, `${response.url}: ${body.slice(0, 200)}`);
  assert.match((JSON.parse(body) as { detail: string }).detail, words);
}
