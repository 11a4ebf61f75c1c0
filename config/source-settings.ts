// Settings of where studies are fetched from: sources, the watch on them, priors, and the modality worklist.
import { z } from 'zod';

type Name = z.ZodString;

/** Seconds of silence on the wire until a source is given up; longer than a destination's, because an archive may have to mount a tape. */
const timeout = z.number().positive().max(3600).default(120);

/** A question that a source is asked again and again; each study that is new there is fetched once. */
const watch = z.strictObject({
  everySeconds: z.number().positive().max(86_400).default(60),
  /** Days before today whose studies are asked for as well: studies that end after midnight, and a gateway that was stopped over night. */
  days: z.int().min(0).max(365).default(1),
  /** DICOM keyword -> values, any of which matches. Modality is asked for as Modalities in Study. */
  query: z.record(z.string(), z.array(z.string().min(1)).min(1)).default({ ModalitiesInStudy: ['CR', 'DX'] }),
});

/** Which earlier studies of a patient are fetched. */
const priors = z
  .strictObject({
    /** The newest of them. */
    count: z.int().min(1).max(50).default(2),
    years: z.number().positive().max(100).default(5),
    modalities: z.array(z.string().min(1)).min(1).default(['CR', 'DX']),
    /** Of a series; '' where it says none. */
    bodyParts: z.array(z.string()).min(1).default(['CHEST', 'THORAX', '']),
    /** Also without being asked, for every study that a route takes. */
    automatic: z.boolean().default(false),
  })
  .prefault({});

export function sourceShape<Retry extends z.ZodType>(name: Name, retry: Retry) {
  const common = { name, watch: watch.optional(), priors, retry, timeoutSeconds: timeout };
  return z.discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('dimse'),
      peer: name,
      /** get: images come over our own association; move: the peer opens one to us, and must know our AE title, host and port. */
      retrieve: z.enum(['get', 'move']).default('get'),
      ...common,
    }),
    z.strictObject({
      type: z.literal('dicomweb'),
      /** Of the service, e.g. https://archive.example/dicom-web */
      url: z.url({ protocol: /^https?$/ }),
      headers: z.record(z.string(), z.string()).default({}),
      ...common,
    }),
  ]);
}

/** What a worklist item can say of a patient and an order, and what we then know of the study (PS3.4 table K.6-1). */
export const COMPLETABLE = ['PatientID', 'IssuerOfPatientID', 'PatientName', 'PatientBirthDate', 'PatientSex', 'AccessionNumber', 'ReferringPhysicianName'] as const;
/** Keys of a worklist item that images repeat. */
export const WORKLIST_KEYS = ['AccessionNumber', 'RequestedProcedureID', 'ScheduledProcedureStepID', 'StudyInstanceUID'] as const;

export const modalityWorklistShape = (name: Name) =>
  z.strictObject({
    peer: name,
    /** By which value of an image its worklist item is found. */
    matchBy: z.enum(WORKLIST_KEYS).default('AccessionNumber'),
    /** Attributes that are taken from the item where the images leave them out; never one that they have. */
    complete: z.array(z.enum(COMPLETABLE)).min(1),
    /** Short: the analysis of the study waits for it. */
    timeoutSeconds: z.number().positive().max(60).default(5),
  });

interface Referring {
  peers: readonly { name: string; host?: string | undefined; port?: number | undefined }[];
  sources: readonly ({ name: string; watch?: { query: Record<string, string[]> } | undefined } & ({ type: 'dimse'; peer: string } | { type: 'dicomweb' }))[];
  modalityWorklist?: { peer: string; matchBy: string; complete: readonly string[] } | undefined;
}

/** Peers that are called must be there, and their keys be keywords. @param keywords of PS3.6 */
export function checkSources({ peers, sources, modalityWorklist }: Referring, keywords: object, problem: (path: (string | number)[], message: string) => void): void {
  const callable = (wanted: string, path: (string | number)[]): void => {
    const peer = peers.find(({ name }) => name === wanted);
    if (!peer) problem(path, `there is no peer "${wanted}"`);
    else if (peer.host === undefined || peer.port === undefined) problem(path, `peer "${peer.name}" has no host and port to call`);
  };
  sources.forEach((source, index) => {
    if (source.type === 'dimse') callable(source.peer, ['sources', index, 'peer']);
    for (const keyword of Object.keys(source.watch?.query ?? {})) {
      const path = ['sources', index, 'watch', 'query', keyword];
      if (keyword === 'StudyDate') problem(path, 'is asked for by the watch itself, as far back as its days');
      else if (!Object.hasOwn(keywords, keyword)) problem(path, 'is not a DICOM keyword');
    }
  });
  if (!modalityWorklist) return;
  callable(modalityWorklist.peer, ['modalityWorklist', 'peer']);
  modalityWorklist.complete.forEach((keyword, place) => {
    if (keyword === modalityWorklist.matchBy) problem(['modalityWorklist', 'complete', place], 'cannot be completed: the item is found by it');
  });
}
