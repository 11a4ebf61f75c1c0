// The DICOMweb resources in the OpenAPI description and, made from it, in the Capabilities Description (PS3.18 annex H).
import { JSON_TYPE, XML_TYPE } from './model-types.ts';

type Description = Record<string, unknown>;
interface Parameter {
  name: string;
  in: 'path' | 'query';
  required?: boolean;
  description: string;
  schema: Description;
}
interface Level {
  /** Of what the address names, for summaries and for names of operations. */
  name: string;
  path: string;
  parameters: Parameter[];
}

const text = { type: 'string' };
const problem = { description: 'Refused; the body says why', content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } };
const uid = (name: string, description: string): Parameter => ({ name, in: 'path', required: true, description, schema: { type: 'string', pattern: '^\\d+(\\.\\d+)*$', maxLength: 64 } });
const segment = (name: string, description: string): Parameter => ({ name, in: 'path', required: true, description, schema: text });
const inQuery = (name: string, description: string, schema: Description = text): Parameter => ({ name, in: 'query', description, schema });

const study = uid('study', 'Study Instance UID');
const series = uid('series', 'Series Instance UID');
const instance = uid('instance', 'SOP Instance UID');
const STUDY: Level = { name: 'Study', path: '/dicomweb/studies/{study}', parameters: [study] };
const SERIES: Level = { name: 'Series', path: `${STUDY.path}/series/{series}`, parameters: [study, series] };
const INSTANCE: Level = { name: 'Instance', path: `${SERIES.path}/instances/{instance}`, parameters: [study, series, instance] };
const LEVELS = [STUDY, SERIES, INSTANCE];

const accept = inQuery('accept', 'As the Accept header, which it replaces (PS3.18 8.3.3.1)');
const negotiation = [accept, inQuery('charset', 'Must name UTF-8 (PS3.18 8.3.3.2)')];
const types = (...names: string[]): Description => Object.fromEntries(names.map((name) => [name, {}]));
const PIXEL_TYPES = ['application/octet-stream', 'image/jpeg', 'image/jls', 'image/jp2', 'image/jphc', 'image/dicom-rle', 'video/mpeg', 'video/mp4'];

function retrieve(level: Level, what: string, summary: string, content: Description, more: { parameters?: Parameter[]; partial?: boolean } = {}): Description {
  return {
    get: {
      operationId: `Retrieve${level.name}${what}`,
      summary: `WADO-RS: ${summary} (PS3.18 10.4)`,
      parameters: [...level.parameters, ...(more.parameters ?? []), accept],
      responses: {
        200: { description: 'All of it', content },
        ...(more.partial && { 206: { description: 'A range of it, or what could be sent of it (Warning)', content } }),
        304: { description: 'The copy of which the caller named the ETag still holds' },
        400: problem,
        404: problem,
        406: problem,
      },
    },
  };
}

function byUriDescription(): Description {
  const content = { ...onePicture, ...types('application/dicom', 'text/html') };
  const responses = { 200: { description: 'The instance', content }, 304: { description: 'The copy of which the caller named the ETag still holds' }, 400: problem, 404: problem, 406: problem };
  return { get: { operationId: 'RetrieveByUri', summary: 'WADO-URI: an instance as a picture, a page or a file (PS3.18 9)', parameters: byUri, responses } };
}

const searchParameters: Parameter[] = [
  inQuery('{attribute}', 'Any attribute by keyword or tag, in sequences with dots between: PatientName=DOE*, StudyDate=20240101-20240131, 00400275.00401001=1', text),
  inQuery('includefield', 'Attributes to return beyond those that always are: names or tags with commas between, or all'),
  inQuery('fuzzymatching', "Persons' names by their beginnings and sounds", { type: 'boolean', default: false }),
  inQuery('emptyvaluematching', '"" finds what has no value', { type: 'boolean', default: false }),
  inQuery('multiplevaluematching', 'Values with a backslash between: any of them. False refuses them', { type: 'boolean', default: true }),
  inQuery('limit', 'Matches at most', { type: 'integer', minimum: 0 }),
  inQuery('offset', 'Matches to skip', { type: 'integer', minimum: 0, default: 0 }),
  ...negotiation,
];

function search(what: string, path: string, parameters: Parameter[] = []): [string, Description] {
  const matches = { [JSON_TYPE]: {}, 'application/json': {}, [`multipart/related; type="${XML_TYPE}"`]: {} };
  const get = {
    operationId: `SearchFor${what}`,
    summary: `QIDO-RS: ${what.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase()} (PS3.18 10.6)`,
    parameters: [...parameters, ...searchParameters],
    responses: {
      200: { description: 'The matches; a Warning header where there are more, or where something asked for was left out', content: matches },
      204: { description: 'No match, where XML was asked for' },
      400: problem,
      406: problem,
    },
  };
  return [path, { get }];
}

const storeAnswer = (description: string): Description => ({ description, content: types(JSON_TYPE, XML_TYPE) });
const store = (operationId: string, parameters: Parameter[]): Description => ({
  post: {
    operationId,
    summary: 'STOW-RS: store instances (PS3.18 10.5)',
    parameters,
    requestBody: {
      required: true,
      content: { 'multipart/related; type="application/dicom"': { schema: text }, [`multipart/related; type="${JSON_TYPE}"`]: { schema: text }, [`multipart/related; type="${XML_TYPE}"`]: { schema: text }, 'application/dicom': { schema: { ...text, format: 'binary' } } },
    },
    responses: {
      200: storeAnswer('All instances were stored'),
      202: storeAnswer('Some were stored, or all with warnings; the sequences say which, and why'),
      400: storeAnswer('The body is broken and nothing could be stored'),
      406: problem,
      408: problem,
      409: storeAnswer('None was stored; the sequences say why'),
      413: storeAnswer('None was stored: larger than limits.instanceBytes'),
      415: problem,
      503: storeAnswer('None was stored: out of room for now (Retry-After)'),
    },
  },
});

const remove = (level: Level): Description => ({
  delete: {
    operationId: `Delete${level.name}`,
    summary: `Moves the ${level.name.toLowerCase()} into the recycle bin; off unless the settings allow it`,
    parameters: level.parameters,
    responses: { 200: { description: 'Out of sight of searches and retrieves; how much it is', content: { 'application/json': {} } }, 400: problem, 403: problem, 404: problem },
  },
});

const wholes = types('multipart/related; type="application/dicom"', 'application/dicom', 'application/zip');
const metadata = { [JSON_TYPE]: {}, 'application/json': {}, [`multipart/related; type="${XML_TYPE}"`]: {} };
const values = types(...PIXEL_TYPES, 'multipart/related');
const onePicture = types('image/jpeg', 'image/png', 'image/gif');
const pictures = types('image/jpeg', 'image/png', 'image/gif', 'multipart/related');
const documents = types('image/jpeg', 'image/png', 'image/gif', 'text/html', 'application/pdf', 'multipart/related');
const rendering = [
  inQuery('viewport', 'WIDTH,HEIGHT that the picture must fit into, and then, where wanted, X,Y,WIDTH,HEIGHT of a region of the image'),
  inQuery('window', 'CENTER,WIDTH,FUNCTION: linear, linear-exact or sigmoid'),
  inQuery('quality', 'Of a JPEG, 1 to 100', { type: 'integer', minimum: 1, maximum: 100, default: 90 }),
  inQuery('annotation', 'patient, technique, or both, burned in'),
  inQuery('iccprofile', 'Whether a colour picture holds its profile', { type: 'string', enum: ['no', 'yes', 'srgb'], default: 'no' }),
];
const byUri = [
  { ...inQuery('requestType', 'WADO', { type: 'string', enum: ['WADO'] }), required: true },
  ...['studyUID', 'seriesUID', 'objectUID'].map((name) => ({ ...inQuery(name, 'UID of what is to be retrieved'), required: true })),
  inQuery('contentType', 'Media types; by default a picture of one frame, a page of a report, and application/dicom of the rest'),
  inQuery('transferSyntax', 'Of application/dicom; Explicit VR Little Endian where it cannot be made'),
  inQuery('frameNumber', 'From 1', { type: 'integer', minimum: 1, default: 1 }),
  inQuery('rows', 'Most rows of the picture', { type: 'integer', minimum: 1, maximum: 8192 }),
  inQuery('columns', 'Most columns of the picture', { type: 'integer', minimum: 1, maximum: 8192 }),
  inQuery('region', 'LEFT,TOP,RIGHT,BOTTOM as shares of the image'),
  inQuery('windowCenter', 'With windowWidth', { type: 'number' }),
  inQuery('windowWidth', 'With windowCenter', { type: 'number', minimum: 1 }),
  inQuery('imageQuality', 'Of a JPEG', { type: 'integer', minimum: 1, maximum: 100, default: 90 }),
  inQuery('annotation', 'patient, technique, or both, burned in'),
  inQuery('presentationSeriesUID', 'Series of the presentation state'),
  inQuery('presentationUID', 'Presentation state to show the image through'),
  inQuery('charset', 'Must name UTF-8'),
];
const frames = segment('frames', 'Numbers from 1, with commas between');

/** Each address with its operations, which a test holds to app.ts. */
export function dicomwebPaths(): Record<string, Description> {
  const paths: [string, Description][] = [
    search('Studies', '/dicomweb/studies'),
    search('Series', '/dicomweb/series'),
    search('Instances', '/dicomweb/instances'),
    search('StudySeries', `${STUDY.path}/series`, STUDY.parameters),
    search('StudyInstances', `${STUDY.path}/instances`, STUDY.parameters),
    search('StudySeriesInstances', `${SERIES.path}/instances`, SERIES.parameters),
    ['/dicomweb/studies', store('StoreInstances', [])],
    [STUDY.path, store('StoreStudyInstances', STUDY.parameters)],
    ...LEVELS.flatMap((level): [string, Description][] => [
      [level.path, retrieve(level, '', `the ${level.name.toLowerCase()}, as it is kept or in a transfer syntax that is accepted`, wholes, { partial: true })],
      [level.path, remove(level)],
      [`${level.path}/metadata`, retrieve(level, 'Metadata', 'headers without bulk data', metadata)],
      [`${level.path}/bulkdata`, retrieve(level, 'Bulkdata', 'values that the metadata leaves out', values, { partial: true })],
      [`${level.path}/pixeldata`, retrieve(level, 'PixelData', 'pixel data', values, { partial: true })],
    ]),
    [`${INSTANCE.path}/bulkdata/{path}`, retrieve(INSTANCE, 'BulkdataValue', 'what a BulkDataURI names', values, { parameters: [segment('path', 'TAG, or TAG/ITEM/TAG in sequences')], partial: true })],
    [`${INSTANCE.path}/frames/{frames}`, retrieve(INSTANCE, 'Frames', 'frames', values, { parameters: [frames], partial: true })],
    ...LEVELS.flatMap((level): [string, Description][] => [
      [`${level.path}/rendered`, retrieve(level, 'Rendered', 'images as pictures, reports as pages', level === INSTANCE ? documents : pictures, { parameters: rendering, partial: true })],
      [`${level.path}/thumbnail`, retrieve(level, 'Thumbnail', 'a small picture', onePicture, { parameters: rendering })],
    ]),
    [`${INSTANCE.path}/frames/{frames}/rendered`, retrieve(INSTANCE, 'RenderedFrames', 'frames as pictures', pictures, { parameters: [frames, ...rendering] })],
    [`${INSTANCE.path}/frames/{frames}/thumbnail`, retrieve(INSTANCE, 'FrameThumbnail', 'a frame as a small picture', onePicture, { parameters: [segment('frames', 'One number from 1'), ...rendering] })],
    ['/wado', byUriDescription()],
  ];
  const merged: Record<string, Description> = {};
  for (const [path, operations] of paths) merged[path] = { ...merged[path], ...operations };
  return merged;
}
