// The description of the HTTP surface (OpenAPI 3.1), kept by hand beside app.ts; a test holds the two together.
import { QUANTITY_NAMES } from '../../ai/drift/quantities.ts';
import { dicomwebPaths } from '../dicomweb/openapi.ts';
import { workitemPaths } from '../ups/openapi.ts';
import { READING_STATES } from '../worklist/worklist.ts';

const problem = { description: 'Refused; the body says why', content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } };
const uid = (name: string, what: string) => ({ name, in: 'path', required: true, description: what, schema: { type: 'string', pattern: '^\\d+(\\.\\d+)*$', maxLength: 64 } });
const study = uid('study', 'Study Instance UID');
const json = (description: string, schema: object) => ({ description, content: { 'application/json': { schema } } });
const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });
const text = { type: 'string' };
const nullable = (type: string) => ({ type: [type, 'null'] });
const oneOf = (...values: readonly string[]) => ({ type: 'string', enum: values });

const percent = { type: 'number', minimum: 0, maximum: 100 };
const severity = {
  severity: {
    ...nullable('object'),
    description: 'Per cent of the lungs that is opaque; null where it was not measured. By boxes it overstates',
    properties: { right: percent, left: percent, both: percent, basis: oneOf('boxes', 'map'), model: { type: 'object', properties: { name: text, version: text, sha256: text } } },
  },
  severityReason: { ...nullable('string'), description: 'Why a positive was not measured' },
};

const entry = {
  type: 'object',
  properties: {
    studyInstanceUid: text,
    patientName: { ...text, description: 'As in DICOM: groups by =, components by ^' },
    patientId: text,
    patientSex: nullable('string'),
    patientAge: nullable('string'),
    patientBirthDate: nullable('string'),
    accessionNumber: text,
    studyDate: text,
    studyTime: text,
    description: text,
    modalities: { type: 'array', items: text },
    receivedAt: { ...text, format: 'date-time' },
    images: { type: 'integer' },
    intake: oneOf('receiving', 'complete'),
    analysis: oneOf('waiting', 'running', 'analyzed', 'not-analyzable', 'failed', 'not-routed'),
    reason: { ...nullable('string'), description: 'Why there is no analysis' },
    delivery: oneOf('none', 'pending', 'partial', 'delivered', 'failed'),
    reading: oneOf(...READING_STATES),
    finding: { ...nullable('string'), description: 'What was found, or else looked for, by the model that the probability comes from' },
    sought: { ...nullable('string'), description: 'What the probability is of: all that this model looks for' },
    probability: { ...nullable('number'), minimum: 0, maximum: 1 },
    positive: nullable('boolean'),
    threshold: nullable('number'),
    regions: { type: 'integer' },
    ...severity,
    overlay: { ...nullable('string'), description: 'Address of the rendered overlay' },
    flagged: { ...nullable('string'), description: 'What a person must look at first' },
  },
};
const list = (properties: Record<string, object>) => ({ type: 'array', items: { type: 'object', properties } });
const integer = { type: 'integer' };
const number = { type: 'number' };
const detail = {
  allOf: [
    { $ref: '#/components/schemas/WorklistEntry' },
    {
      type: 'object',
      properties: {
        route: nullable('string'),
        instances: list({ sopInstanceUid: text, seriesInstanceUid: text, sopClassUid: text, modality: text, version: integer, current: { type: 'boolean' },
          receivedAt: text, callingAe: nullable('string'), address: text, transport: oneOf('dimse', 'stow', 'wado'), transferSyntaxUid: text,
          leftOut: { description: 'Models that another stands in for, by the age of the patient', ...list({ model: { type: 'object', properties: { name: text, version: text } }, reason: text }) } }),
        analyses: list({ sopInstanceUid: text, frame: integer, rows: integer, columns: integer, status: oneOf('analyzed', 'not-analyzable', 'failed'), reason: text,
          model: { type: 'object', properties: { name: text, version: text, sha256: text } }, label: text, finding: nullable('string'), sought: nullable('string'), probability: number, threshold: { ...nullable('number'), description: 'null: a worker from outside, which says none' },
          positive: { type: 'boolean' }, scores: { type: 'object', additionalProperties: number }, provider: text, milliseconds: number, ...severity,
          regions: { description: 'In pixels of the stored image, from its top-left corner', ...list({ x: number, y: number, width: number, height: number, label: text, score: number, trackingUid: text }) } }),
        results: list({ kind: text, model: { type: 'object', properties: { name: text, version: text } }, sopInstanceUid: text, seriesInstanceUid: text, sopClassUid: text, sourceSopInstanceUid: nullable('string'), alternativeTo: nullable('string'),
          createdAt: text, current: { type: 'boolean' }, predecessor: nullable('string') }),
        deliveries: list({ destination: text, sopInstanceUid: text, status: text, attempts: integer, lastError: nullable('string'), nextAttemptAt: nullable('string'), deliveredAt: nullable('string'), commitment: nullable('string') }),
      },
    },
  ],
};

const modelIdentity = { type: 'object', properties: { name: text, version: text, sha256: text } };
const judged = { type: 'object', properties: { probability: number, positive: { type: 'boolean' } } };
const comparison = {
  type: 'object',
  properties: {
    candidate: text,
    comparisons: list({ candidate: modelIdentity, model: modelIdentity, images: integer, bothPositive: integer, onlyCandidatePositive: integer, onlyModelPositive: integer,
      bothNegative: integer, onlyCandidateAnalyzed: integer, onlyModelAnalyzed: integer, agreement: nullable('number'), kappa: { ...nullable('number'), description: "Cohen's" },
      meanDifference: { ...nullable('number'), description: 'Of the probabilities, candidate minus model' }, correlation: { ...nullable('number'), description: "Pearson's, of the probabilities" },
      differing: { description: 'The images whose probabilities are widest apart', ...list({ studyInstanceUid: text, sopInstanceUid: text, frame: integer, candidate: judged, model: judged }) } }),
  },
};
const drift = {
  type: 'object',
  properties: {
    windowDays: integer,
    from: { ...text, format: 'date', description: 'In UTC, as `to`; both within' },
    to: { ...text, format: 'date' },
    minImages: integer,
    drifted: { type: 'boolean', description: 'Any quantity of any model and station has passed its bound' },
    models: list({
      name: text,
      version: text,
      otherStations: { ...integer, description: 'Stations of these days that are not compared by themselves' },
      places: list({
        station: { ...nullable('string'), description: 'null: all stations together' },
        images: integer,
        accepted: { type: ['object', 'null'], description: 'By the site, of a station (null: all) and period; or by the package, with its set in words', properties: { by: oneOf('site', 'package'), station: nullable('string'), from: text, to: text, set: text } },
        quantities: list({
          quantity: oneOf(...QUANTITY_NAMES), images: integer,
          psi: { ...number, description: 'Population stability index' }, ks: { ...number, description: 'Kolmogorov-Smirnov distance' }, p: { ...number, description: 'How likely chance alone does that' },
          level: { ...number, description: 'Mean, of `positive` the share of positives' }, acceptedLevel: number,
          drifted: { type: 'boolean' }, since: { ...nullable('string'), description: 'Since when it is so; null before the first check' },
        }),
      }),
    }),
  },
};

const retrieval = {
  type: 'object',
  properties: {
    id: { ...text, format: 'uuid' }, source: text, studyInstanceUid: text, purpose: oneOf('study', 'prior', 'find-priors'), priorTo: nullable('string'),
    state: { ...oneOf('waiting', 'running', 'completed', 'failed'), description: 'failed: given up' }, attempts: integer,
    instances: { ...nullable('integer'), description: 'That the source has of it; null until it was asked' }, fetched: integer,
    refused: { ...integer, description: 'Instances that intake does not take' }, lastError: { ...nullable('string'), description: "The source's own words" }, requestedBy: text,
    requestedAt: { ...text, format: 'date-time' }, nextAttemptAt: { ...nullable('string'), format: 'date-time' }, finishedAt: { ...nullable('string'), format: 'date-time' },
  },
};
const retrieveRequest = {
  type: 'object',
  required: ['source', 'studyInstanceUid'],
  additionalProperties: false,
  properties: {
    source: { ...text, description: 'Its name in the settings' }, studyInstanceUid: text,
    purpose: { ...oneOf('study', 'prior'), default: 'study', description: 'A prior is neither analysed nor in the worklist' },
    priors: { type: 'boolean', default: false, description: "Its priors as well, as the source's settings say which" },
  },
};
const sourceList = {
  type: 'object',
  properties: {
    sources: list({ name: text, type: oneOf('dimse', 'dicomweb'), watch: { ...nullable('object'), properties: { everySeconds: number, lastAnswerAt: nullable('string'), failures: integer, lastError: nullable('string') } } }),
  },
};

export function openApi(version: string) {
  const health = { 200: json('Well', ref('Health')), 503: json('Not well; the checks say what', ref('Health')) };
  return {
    openapi: '3.1.0',
    info: { title: 'Hilum', version, description: "Gateway between a hospital's imaging network and AI for the chest radiograph. For research use." },
    security: [{ bearer: [] }, {}],
    paths: {
      '/healthz': { get: { summary: 'Whether the gateway lives', security: [], responses: health } },
      '/readyz': { get: { summary: 'Whether it can take work now', security: [], responses: health } },
      '/metrics': { get: { summary: 'Prometheus metrics', responses: { 200: { description: 'Metrics', content: { 'text/plain': {} } } } } },
      '/api/openapi.json': { get: { summary: 'This document', responses: { 200: json('OpenAPI 3.1', { type: 'object' }) } } },
      '/api/about': { get: { summary: 'Where to send studies', responses: { 200: json('AE title, port, version', ref('About')) } } },
      '/api/sources': { get: { summary: 'Where studies can be fetched from, and how the watches do', responses: { 200: json('Sources', ref('SourceList')) } } },
      '/api/retrieve': {
        post: {
          summary: 'Fetch a study from a source',
          requestBody: { required: true, content: { 'application/json': { schema: ref('RetrieveRequest') } } },
          responses: { 202: json('Asked for; Location tells where to ask how far it is', ref('Retrieval')), 400: problem, 413: problem, 415: problem, 422: problem },
        },
      },
      '/api/retrieve/{id}': {
        get: {
          summary: 'How far a retrieval is',
          parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'string', format: 'uuid' } }],
          responses: { 200: json('The retrieval', ref('Retrieval')), 404: problem },
        },
      },
      '/api/worklist': {
        get: {
          summary: 'The worklist in reading order',
          parameters: [
            { name: 'limit', in: 'query', schema: { type: 'integer', minimum: 1, maximum: 1000, default: 100 } },
            { name: 'after', in: 'query', description: '`next` of the page before', schema: text },
          ],
          responses: { 200: json('One page', { type: 'object', properties: { entries: { type: 'array', items: ref('WorklistEntry') }, next: nullable('string') } }), 400: problem },
        },
      },
      '/api/studies/{study}': {
        get: { summary: 'All that is known of a study', parameters: [study], responses: { 200: json('The study', ref('StudyDetail')), 400: problem, 404: problem } },
        patch: {
          summary: 'Claim a study, or mark it as read or unread',
          parameters: [study],
          requestBody: { required: true, content: { 'application/json': { schema: { type: 'object', required: ['reading'], additionalProperties: false, properties: { reading: oneOf(...READING_STATES) } } } } },
          responses: { 200: json('The study after that', ref('StudyDetail')), 400: problem, 404: problem, 413: problem, 415: problem },
        },
      },
      '/api/models/{model}/comparison': {
        get: {
          summary: 'How a candidate in the shadow compares with each model in use (docs/model-packages.md)',
          parameters: [{ name: 'model', in: 'path', required: true, description: 'Name of the candidate', schema: text }],
          responses: { 200: json('The comparison', ref('ModelComparison')), 404: problem },
        },
      },
      '/api/drift': {
        get: { summary: 'How the last days compare with the accepted distributions, by model and station (docs/drift.md)', responses: { 200: json('The report', ref('DriftReport')) } },
      },
      '/api/recycle-bin': {
        get: {
          summary: 'Studies of which something was deleted and can be restored, the last first',
          parameters: [{ name: 'limit', in: 'query', schema: { type: 'integer', minimum: 1, maximum: 1000, default: 100 } }],
          responses: { 200: json('What is in the recycle bin', { type: 'object', properties: { studies: list({ studyInstanceUid: text, instances: integer, results: integer, wholeStudy: { type: 'boolean' }, deletedAt: text, purgeAt: text, requestedBy: nullable('string') }) } }), 400: problem },
        },
      },
      '/api/recycle-bin/{uid}/restore': {
        post: {
          summary: 'Brings back what was deleted of a study, series or instance',
          parameters: [uid('uid', 'Study, Series or SOP Instance UID')],
          responses: { 200: json('What is back', { type: 'object', properties: { restored: list({ studyInstanceUid: text, instances: integer, results: integer }) } }), 400: problem, 404: problem },
        },
      },
      '/api/events': {
        get: { summary: 'Server-sent events: `study` with {"studyInstanceUid"} after each change of an entry', responses: { 200: { description: 'The stream', content: { 'text/event-stream': {} } }, 503: problem } },
      },
      ...dicomwebPaths(),
      ...workitemPaths(),
    },
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: 'Needed when http.auth is set' } },
      schemas: {
        Problem: { type: 'object', properties: { type: text, title: text, status: integer, detail: text, requestId: text } },
        Health: { type: 'object', properties: { ok: { type: 'boolean' }, checks: { type: 'object', additionalProperties: { type: 'object', properties: { ok: { type: 'boolean' }, detail: text } } } } },
        About: { type: 'object', properties: { aeTitle: text, dimsePort: integer, version: text } },
        WorklistEntry: entry,
        DriftReport: drift,
        Retrieval: retrieval,
        RetrieveRequest: retrieveRequest,
        SourceList: sourceList,
        ModelComparison: comparison,
        StudyDetail: detail,
      },
    },
  };
}
