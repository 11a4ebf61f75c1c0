// The settings: one YAML file, validated whole (docs/operations.md lists every key). What a key means stands beside it here.
import dcmjs from 'dcmjs';
import { z } from 'zod';
import { checkSources, modalityWorklistShape, sourceShape } from './source-settings.ts';

/** DICOM keywords (PS3.6). */
const KEYWORDS: object = dcmjs.data.DicomMetaDictionary.nameMap;

const port = z.int().min(0).max(65535);
/** PS3.5 6.2, VR AE: 1 to 16 characters of the default repertoire, no backslash, not only spaces. */
const aeTitle = z.string().regex(/^(?! *$)[\x20-\x5b\x5d-\x7e]{1,16}$/, 'must be 1 to 16 printable ASCII characters without backslash');
const cidr = z.union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()], { error: 'must be an IP address or a CIDR range' });
const name = z.string().regex(/^[a-z0-9][a-z0-9-]*$/i, 'must be letters, digits and hyphens');

/** User Identity (PS3.7 D.3.3.7): a user name, and a passcode, which stands alone in a file. */
const user = z.strictObject({ name: z.string().min(1), passcodeFile: z.string().min(1).optional() });

const peer = z.strictObject({
  name,
  aeTitle,
  /** Addresses that this AE calls from; empty: any address. */
  from: z.array(cidr).default([]),
  /** Where we call it; needed by peers that are destinations, and by those that C-MOVE may name. */
  host: z.string().optional(),
  port: port.optional(),
  /** What it may ask of us: C-STORE, C-FIND, C-MOVE and C-GET. */
  allow: z.array(z.enum(['store', 'query', 'retrieve'])).default(['store', 'query', 'retrieve']),
  /** Where it is told that we keep what it wants us to keep (storage commitment): called for it, or on the association of its request. */
  commitmentReport: z.enum(['new-association', 'same-association']).default('new-association'),
  /** As whom it must call us. */
  requireUser: user.optional(),
  /** As whom we call it. */
  sendUser: user.optional(),
});

const retry = z
  .strictObject({
    /** Hours until a delivery that keeps failing becomes a dead letter. */
    hours: z.number().positive().default(24),
    firstSeconds: z.number().positive().default(2),
    maxSeconds: z.number().positive().default(600),
  })
  .prefault({});

/** Seconds without progress on the wire after which a try is given up. */
const destinationTimeout = z.number().positive().default(30);
const destination = z.discriminatedUnion('type', [
  z.strictObject({
    name,
    type: z.literal('dimse'),
    peer: name,
    retry,
    timeoutSeconds: destinationTimeout,
    /** Ask that what was delivered is kept (storage commitment); what is not is sent again. */
    commitment: z
      .strictObject({
        /** Where another AE answers for the archive. */
        peer: name.optional(),
        /** Seconds that the association of the request stays open for the answer; it may come on another at any time. */
        waitSeconds: z.number().min(0).max(60).default(0),
        /** Minutes after which it is asked for again, under a new transaction UID. */
        overdueMinutes: z.number().positive().default(60),
      })
      .optional(),
  }),
  z.strictObject({
    name,
    type: z.literal('dicomweb'),
    url: z.url({ protocol: /^https?$/ }),
    headers: z.record(z.string(), z.string()).default({}),
    retry,
    timeoutSeconds: destinationTimeout,
  }),
  z.strictObject({ name, type: z.literal('folder'), path: z.string().min(1), retry, timeoutSeconds: destinationTimeout }),
]);

const route = z.strictObject({
  name: z.string().min(1),
  /** DICOM keyword -> accepted values of the instance, '' for absent or empty; all keys must match. */
  when: z.record(z.string(), z.array(z.string()).min(1)).default({}),
  /** Seconds of quiet after the last source instance until the study counts as complete. */
  completeAfterSeconds: z.number().nonnegative().default(30),
  models: z.array(name).min(1),
  /** Who analyses: these models, or a worker from outside that takes the study's Unified Procedure Step (see `ups.outside`). */
  worker: z.enum(['hilum', 'outside']).default('hilum'),
  /** Candidates that run after these on the same images; what they say is kept and compared, and goes nowhere. */
  shadow: z.array(name).default([]),
  /** Measure how much of the lungs a finding takes up, where `models` has a package with the purpose lungs. */
  severity: z.boolean().default(true),
  deliver: z.array(z.strictObject({ to: name })).default([]),
});

const shape = z.strictObject({
  /** Data folder: blobs, journal, embedded Postgres, ports.json. */
  home: z.string().min(1).default('./data'),
  /** IANA zone of sources that send no Timezone Offset From UTC. */
  timezone: z.string().default('UTC').refine(isTimezone, 'is not a time zone of the IANA database'),
  /** Written without quotes, 2.25 is a number to YAML. */
  uidRoot: z.preprocess((root) => (typeof root === 'number' ? String(root) : root), z.string().regex(/^[0-2](\.(0|[1-9]\d*))+$/, 'must be a UID').max(24)).default('2.25'),
  roles: z.array(z.enum(['intake', 'analysis', 'delivery', 'web'])).min(1).default(['intake', 'analysis', 'delivery', 'web']),
  log: z.strictObject({ level: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace']).default('info') }).prefault({}),
  http: z
    .strictObject({
      host: z.string().default('127.0.0.1'),
      port: port.default(8080),
      /** A file whose lines are accepted bearer tokens. */
      auth: z.strictObject({ tokenFile: z.string() }).optional(),
      /** Origins of viewers whose pages may use DICOMweb: https://viewer.example, without a path. */
      allowOrigins: z.array(z.string().refine(isOrigin, 'must be an origin such as https://viewer.example')).default([]),
    })
    .prefault({}),
  dicomweb: z
    .strictObject({
      /** Matches in one answer to a search through all studies; the caller is told of more, and can ask for the next. */
      maxResults: z.int().positive().default(10000),
      /** What DELETE does with a study, series or instance: nothing, or put it into the recycle bin. */
      delete: z.enum(['off', 'recycle']).default('off'),
    })
    .prefault({}),
  dimse: z
    .strictObject({ host: z.string().default('127.0.0.1'), port: port.default(11112), aeTitle: aeTitle.default('HILUM') })
    .prefault({}),
  limits: z
    .strictObject({
      associations: z.int().positive().default(64),
      /** Largest PDU that we announce and accept. */
      pduBytes: z.int().min(4096).default(1048576),
      instanceBytes: z.int().positive().default(8589934592),
      /** Intake refuses (A700, 503) when the disk has less left. */
      freeDiskBytes: z.int().nonnegative().default(5368709120),
      /** Instances that may stand in the journal while Postgres is away. */
      journalInstances: z.int().positive().default(10000),
      /** Seconds an association may stay without a PDU. */
      associationIdleSeconds: z.number().positive().default(300),
      /** Seconds that shutdown waits for what is being sent. */
      drainSeconds: z.number().nonnegative().default(20),
    })
    .prefault({}),
  intake: z
    .strictObject({
      /** The same SOP Instance UID with another dataset: keep as a new version, or refuse. */
      changedVersions: z.enum(['keep', 'refuse']).default('keep'),
    })
    .prefault({}),
  recycleBin: z
    .strictObject({
      /** Days after which what was deleted is purged; until then it can be restored. */
      keepDays: z.number().nonnegative().max(36_500).default(30),
    })
    .prefault({}),
  inference: z
    .strictObject({
      providers: z.array(z.enum(['cuda', 'webgpu', 'cpu'])).min(1).default(['cuda', 'webgpu', 'cpu']),
      /** Threads of one inference session; 0: as many as cores. */
      threads: z.int().nonnegative().default(0),
      maxBatch: z.int().positive().default(8),
      /** Seconds after which an inference counts as hung and its worker is replaced. */
      timeoutSeconds: z.number().positive().default(120),
    })
    .prefault({}),
  drift: z
    .strictObject({
      /** Days, today among them, that are compared with the accepted distribution. */
      windowDays: z.int().min(1).max(90).default(7),
      /** Fewer images than this are not compared. */
      minImages: z.int().min(20).default(100),
      /** Population stability index at or above which a quantity counts as drifted. */
      psiWarn: z.number().positive().default(0.2),
      /** Change of the share of positives at or above which it counts as drifted. */
      positiveWarn: z.number().positive().max(1).default(0.1),
      checkMinutes: z.number().positive().max(24 * 60).default(60),
      /** Distributions of older days are removed. */
      keepDays: z.int().min(1).default(400),
      /** Stations compared each by itself: those with the most images. */
      maxStations: z.int().nonnegative().max(200).default(20),
    })
    .refine(({ keepDays, windowDays }) => keepDays >= windowDays, { path: ['keepDays'], error: 'must be at least windowDays' })
    .prefault({}),
  peers: z.array(peer).default([]),
  acceptUnknownPeers: z.enum(['never', 'loopback', 'always']).default('loopback'),
  /** Unified Procedure Steps (docs/operations.md). */
  ups: z
    .strictObject({
      /** Scheduled Workitem Codes of the steps that are orders for us; steps with other codes are only kept for others. */
      claim: z.array(z.strictObject({ value: z.string().min(1).max(16), scheme: z.string().min(1).max(16) })).default([{ value: 'ANALYSIS', scheme: '99HILUM' }]),
      /** Where results go of ordered analyses of images that no route takes. */
      deliver: z.array(z.strictObject({ to: name })).default([]),
      /** Routes whose worker is outside. */
      outside: z
        .strictObject({
          /** Until a worker must have claimed the step. */
          claimMinutes: z.number().positive().default(10),
          /** Until it must have ended it. */
          finishMinutes: z.number().positive().default(60),
          /** What happens to a study that no worker claimed or finished: the route's own models judge it, or it is reported as failed. */
          otherwise: z.enum(['analyze', 'fail']).default('analyze'),
        })
        .prefault({}),
    })
    .prefault({}),
  destinations: z.array(destination).default([]),
  /** Where studies are fetched from, when asked for or by a watch. */
  sources: z.array(sourceShape(name, retry)).default([]),
  /** Completes what a modality left out; without it nothing is completed. */
  modalityWorklist: modalityWorklistShape(name).optional(),
  models: z.array(z.string()).default(['./ai/models/opacity', './ai/models/pneumonia-type', './ai/models/lungs']),
  worklist: z
    .strictObject({
      /** Of positive studies: the more probable first, or the one with more of its lungs opaque. */
      order: z.enum(['probability', 'severity']).default('probability'),
    })
    .prefault({}),
  routes: z.array(route).default([
    {
      name: 'chest radiographs',
      when: { Modality: ['CR', 'DX'], BodyPartExamined: ['CHEST', 'THORAX', ''] },
      completeAfterSeconds: 30,
      models: ['opacity'],
      worker: 'hilum',
      shadow: [],
      severity: true,
      deliver: [],
    },
  ]),
});

export type Settings = z.infer<typeof shape>;
export const settingsSchema = shape.superRefine(checkReferences).superRefine(checkRoutes).superRefine(checkExposure);
export type Peer = Settings['peers'][number];
export type Destination = Settings['destinations'][number];
export type Source = Settings['sources'][number];
export type ModalityWorklistSettings = NonNullable<Settings['modalityWorklist']>;
export type Route = Settings['routes'][number];
export type Retry = Destination['retry'];

function isOrigin(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) && new URL(text).origin === text;
}

function isTimezone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

/** Names must be unique, and every name that is used must exist. */
function checkReferences(settings: Settings, context: z.RefinementCtx): void {
  const problem = (path: (string | number)[], message: string): void =>
    void context.addIssue({ code: 'custom', path, message });
  for (const list of ['peers', 'destinations', 'sources', 'routes'] as const) {
    const seen = new Set<string>();
    settings[list].forEach((entry, index) => {
      if (seen.has(entry.name)) problem([list, index, 'name'], `"${entry.name}" is used twice`);
      seen.add(entry.name);
    });
  }
  settings.destinations.forEach((destination, index) => {
    if (destination.type !== 'dimse') return;
    const peer = settings.peers.find((candidate) => candidate.name === destination.peer);
    if (!peer) problem(['destinations', index, 'peer'], `there is no peer "${destination.peer}"`);
    else if (peer.host === undefined || peer.port === undefined)
      problem(['destinations', index, 'peer'], `peer "${peer.name}" has no host and port to call`);
    const committing = destination.commitment?.peer;
    if (committing !== undefined && !settings.peers.some(({ name: known, host, port: listening }) => known === committing && host !== undefined && listening !== undefined))
      problem(['destinations', index, 'commitment', 'peer'], `there is no peer "${committing}" with host and port to call`);
  });
  checkSources(settings, KEYWORDS, problem);
  settings.ups.deliver.forEach(({ to }, place) => {
    if (!settings.destinations.some((destination) => destination.name === to)) problem(['ups', 'deliver', place, 'to'], `there is no destination "${to}"`);
  });
  settings.routes.forEach((route, index) => {
    const named = [...route.models, ...route.shadow];
    named.forEach((model, place) => {
      const [list, at] = place < route.models.length ? ['models', place] : ['shadow', place - route.models.length];
      if (named.indexOf(model) < place) problem(['routes', index, list, at], `model "${model}" is named twice in this route`);
    });
    route.deliver.forEach(({ to }, place) => {
      if (!settings.destinations.some((destination) => destination.name === to))
        problem(['routes', index, 'deliver', place, 'to'], `there is no destination "${to}"`);
    });
  });
}

/** A condition on a keyword that is none would never be met, or always. */
function checkRoutes({ routes }: Settings, context: z.RefinementCtx): void {
  routes.forEach((route, index) => {
    for (const keyword of Object.keys(route.when))
      if (!Object.hasOwn(KEYWORDS, keyword)) context.addIssue({ code: 'custom', path: ['routes', index, 'when', keyword], message: 'is not a DICOM keyword' });
  });
}

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);

/** Safe by default: what is reachable from other machines must be told who may call. */
function checkExposure(settings: Settings, context: z.RefinementCtx): void {
  if (!LOOPBACK.has(settings.http.host) && !settings.http.auth)
    context.addIssue({ code: 'custom', path: ['http', 'auth'], message: `is required when http.host is ${settings.http.host}, not loopback` });
  if (LOOPBACK.has(settings.dimse.host)) return;
  if (settings.acceptUnknownPeers !== 'never')
    context.addIssue({ code: 'custom', path: ['acceptUnknownPeers'], message: `must be "never" when dimse.host is ${settings.dimse.host}, not loopback` });
  if (settings.peers.length === 0)
    context.addIssue({ code: 'custom', path: ['peers'], message: `must list the AEs that may call when dimse.host is ${settings.dimse.host}, not loopback` });
}
