// The worklist from Postgres, in the order in which studies should be read.
import { IsNull, type DataSource } from 'typeorm';
import { outcomeOf } from '../../ai/analysis.ts';
import { num, text, type Dataset, type PersonName } from '../../storage/dicom/dataset.ts';
import type { Instance } from '../../storage/entities/instance.ts';
import type { Delivery, Result } from '../../storage/entities/result.ts';
import type { RegionRow } from '../../storage/entities/workitem.ts';
import type { Severity } from '../../storage/entities/severity.ts';
import { lockStudy, type StoredAnalysis } from '../../storage/workitems.repository.ts';
import { notifyStudy } from '../../storage/study-events.ts';
import { COMPLETION, completedName, completedText, completionInWords, type CompletionRow } from './completion.ts';
import { cursorOf, positionOf, rankedStudies, READING_ORDER, type WorklistOrder } from './reading-order.ts';
import { severityAnswer } from './severity-answer.ts';
import type { DeliveryState, ReadingState, StudyAnalysis, StudyDetail, WorklistEntry, WorklistSource } from './worklist.ts';

interface Row {
  studyInstanceUid: string;
  name: PersonName | null;
  patientId: string | null;
  sex: string | null;
  birthDate: string | null;
  age: string | null;
  accessionNumber: string | null;
  studyDate: string | null;
  studyTime: string | null;
  description: string | null;
  firstReceivedAt: Date;
  intake: WorklistEntry['intake'];
  analysis: WorklistEntry['analysis'];
  reason: string | null;
  reading: ReadingState;
  finding: string | null;
  sought: string | null;
  probability: number | null;
  threshold: number | null;
  positive: boolean | null;
  regions: number;
  conflict: string | null;
  flagged: string | null;
  route: string | null;
  modalities: string[] | null;
  images: number;
  delivered: number;
  failed: number;
  pending: number;
  overlaySeries: string | null;
  overlayInstance: string | null;
  severity: Severity | null;
  completion: CompletionRow | null;
  rank: number;
  urgency: number;
  tie: number;
}

const COLUMNS = `
  study_instance_uid as "studyInstanceUid", patient_name as name, patients.patient_id as "patientId", patient_sex as sex, patient_birth_date as "birthDate",
  accession_number as "accessionNumber", study_date as "studyDate", study_time as "studyTime", studies.description,
  first_received_at as "firstReceivedAt", intake, analysis, reason, reading, finding, sought, probability, threshold, positive, regions, conflict, flagged,
  studies.route, severity, rank, urgency, tie, ${COMPLETION} as completion,
  (select array_agg(distinct modality order by modality) from series where series.study_instance_uid = studies.study_instance_uid) as modalities,
  images.count as images, images.age, deliveries.delivered, deliveries.failed, deliveries.pending,
  overlay.series_instance_uid as "overlaySeries", overlay.sop_instance_uid as "overlayInstance"`;

/** @param page SQL of the studies wanted, with rank, urgency and tie: counted and joined are only those */
const entriesOf = (page: string): string => `
  select ${COLUMNS}
  from (${page}) as studies left join patients on patients.id = studies.patient
  cross join lateral (
    select count(*) filter (where frames > 0 and origin = 'source')::int as count, max(header->'00101010'->'Value'->>0) as age
    from instances where instances.study_instance_uid = studies.study_instance_uid and current) as images
  cross join lateral (
    select count(*) filter (where state = 'delivered')::int as delivered, count(*) filter (where state = 'failed')::int as failed,
      count(*) filter (where state = 'pending')::int as pending
    from deliveries join results using (sop_instance_uid)
    where results.study_instance_uid = studies.study_instance_uid and results.current) as deliveries
  left join lateral (
    select results.series_instance_uid, results.sop_instance_uid
    from results
    left join instances on instances.sop_instance_uid = results.source_sop_instance_uid and instances.current
    left join analyses on analyses.instance = instances.id and analyses.model_sha256 = results.model_sha256
    where results.study_instance_uid = studies.study_instance_uid and results.current and results.kind = 'overlay'
    order by analyses.positive desc nulls last, analyses.probability desc nulls last limit 1) as overlay on true
  order by ${READING_ORDER}`;

export class PostgresWorklist implements WorklistSource {
  readonly #dataSource: DataSource;
  readonly #order: () => WorklistOrder;

  /** @param order of positive studies, as the settings are now */
  constructor(dataSource: DataSource, order: () => WorklistOrder) {
    this.#dataSource = dataSource;
    this.#order = order;
  }

  async list({ limit, after }: { limit: number; after?: string | undefined }): Promise<{ entries: WorklistEntry[]; next: string | null }> {
    const order = this.#order();
    const from = after === undefined ? undefined : positionOf(after, order);
    const rows: Row[] = await this.#dataSource.query(
      entriesOf(`select * from (${rankedStudies(order)}) as ranked
        where purpose is distinct from 'prior' and ($2::int is null or (${READING_ORDER}) > ($2, $3::float8, $4::float8, $5::timestamptz, $6)) order by ${READING_ORDER} limit $1`),
      [limit + 1, from?.rank ?? null, from?.urgency ?? null, from?.tie ?? null, from?.at ?? null, from?.uid ?? null],
    );
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    return { entries: page.map(entryOf), next: rows.length > limit && last ? cursorOf({ ...last, at: last.firstReceivedAt.toISOString(), uid: last.studyInstanceUid }, order) : null };
  }

  async study(studyInstanceUid: string): Promise<StudyDetail | undefined> {
    return this.#dataSource.transaction('REPEATABLE READ', async (transaction) => {
      const [row]: Row[] = await transaction.query(entriesOf(`${rankedStudies(this.#order())} and study_instance_uid = $1`), [studyInstanceUid]);
      if (!row) return undefined;
      const instances = await transaction.find<Instance>('Instance', { where: { studyInstanceUid, deletedAt: IsNull() }, order: { receivedAt: 'ASC', version: 'ASC' } });
      const analyses: (StoredAnalysis & { regions: RegionRow[] | null })[] = await transaction.query(
        `select analyses.instance, frame, model_name as "modelName", model_version as "modelVersion", model_sha256 as "modelSha256", analyses.status,
           analyses.reason, label, finding, sought, probability, threshold, positive, scores, provider, milliseconds, severity,
           (select json_agg(json_build_object('x', x, 'y', y, 'width', width, 'height', height, 'label', label, 'score', score, 'trackingUid', tracking_uid) order by ordinal)
            from regions where regions.analysis = analyses.id) as regions
         from analyses join instances on instances.id = analyses.instance where study_instance_uid = $1 and current
           and (judged_by is null or settings_digest = any(judged_by)) order by analyses.id`,
        [studyInstanceUid],
      );
      const results = await transaction.find<Result>('Result', { where: { studyInstanceUid, deletedAt: IsNull() }, order: { createdAt: 'ASC', sopInstanceUid: 'ASC' } });
      const deliveries: Delivery[] = await transaction.query(
        `select destination, deliveries.sop_instance_uid as "sopInstanceUid", state, attempts, last_error as "lastError",
           next_attempt_at as "nextAttemptAt", delivered_at as "deliveredAt", delivered_sop_instance_uid as "deliveredSopInstanceUid", commitment
         from deliveries join results using (sop_instance_uid) where study_instance_uid = $1 order by deliveries.id`,
        [studyInstanceUid],
      );
      return {
        ...entryOf(row),
        route: row.route,
        instances: instances.map(instanceOf),
        analyses: analyses.map((analysis) => analysisOf(analysis, instances)),
        results: results.map(({ kind, modelName, modelVersion, sopInstanceUid, seriesInstanceUid, sopClassUid, createdAt, current, predecessor, alternativeTo, sourceSopInstanceUid }) => ({
          kind, model: { name: modelName, version: modelVersion }, sopInstanceUid, seriesInstanceUid, sopClassUid, createdAt: createdAt.toISOString(), current, predecessor, alternativeTo, sourceSopInstanceUid,
        })),
        deliveries: deliveries.map((delivery) => ({
          destination: delivery.destination,
          sopInstanceUid: delivery.deliveredSopInstanceUid ?? delivery.sopInstanceUid,
          status: delivery.state,
          attempts: delivery.attempts,
          lastError: delivery.lastError,
          nextAttemptAt: delivery.state === 'pending' ? delivery.nextAttemptAt.toISOString() : null,
          deliveredAt: delivery.deliveredAt?.toISOString() ?? null,
          commitment: delivery.commitment,
        })),
      };
    });
  }

  async setReading(studyInstanceUid: string, state: ReadingState): Promise<boolean> {
    return this.#dataSource.transaction(async (transaction) => {
      await lockStudy(transaction, studyInstanceUid);
      const [rows]: [unknown[], number] = await transaction.query('update studies set reading = $2 where study_instance_uid = $1 returning 1', [studyInstanceUid, state]);
      if (rows.length > 0) await notifyStudy(transaction, studyInstanceUid);
      return rows.length > 0;
    });
  }
}

function entryOf(row: Row): WorklistEntry {
  const { completion } = row;
  const name = row.name ?? completedName(completion);
  return {
    studyInstanceUid: row.studyInstanceUid,
    patientName: [name?.Alphabetic ?? '', name?.Ideographic ?? '', name?.Phonetic ?? ''].join('=').replace(/=+$/, ''),
    patientId: row.patientId ?? completedText(completion, 'PatientID') ?? '',
    patientSex: row.sex ?? completedText(completion, 'PatientSex'),
    patientAge: row.age,
    patientBirthDate: row.birthDate ?? completedText(completion, 'PatientBirthDate'),
    accessionNumber: row.accessionNumber ?? completedText(completion, 'AccessionNumber') ?? '',
    studyDate: row.studyDate ?? '',
    studyTime: row.studyTime ?? '',
    description: row.description ?? '',
    modalities: (row.modalities ?? []).filter(Boolean),
    receivedAt: row.firstReceivedAt.toISOString(),
    images: row.images,
    intake: row.intake,
    analysis: row.analysis,
    reason: row.reason,
    delivery: deliveryOf(row),
    reading: row.reading,
    finding: row.finding,
    sought: row.sought,
    probability: row.probability,
    positive: row.positive,
    threshold: row.threshold,
    regions: row.regions,
    ...severityAnswer(row.severity),
    overlay: row.overlayInstance === null ? null : `/dicomweb/studies/${row.studyInstanceUid}/series/${row.overlaySeries}/instances/${row.overlayInstance}/rendered?accept=image/png`,
    flagged: row.conflict ?? ([row.flagged, completionInWords(completion)].filter((reason) => reason !== null).join('; ') || null),
  };
}

function deliveryOf({ delivered, failed, pending }: Row): DeliveryState {
  if (failed > 0) return 'failed';
  if (pending > 0) return delivered > 0 ? 'partial' : 'pending';
  return delivered > 0 ? 'delivered' : 'none';
}

function instanceOf(instance: Instance): StudyDetail['instances'][number] {
  return {
    sopInstanceUid: instance.sopInstanceUid,
    seriesInstanceUid: instance.seriesInstanceUid,
    sopClassUid: instance.sopClassUid,
    modality: text(instance.header, 'Modality') ?? '',
    version: instance.version,
    current: instance.current,
    receivedAt: instance.receivedAt.toISOString(),
    callingAe: instance.callingAe,
    address: instance.address,
    transport: instance.transport,
    transferSyntaxUid: instance.transferSyntaxUid,
    leftOut: instance.leftOut ?? [],
  };
}

function analysisOf(analysis: Omit<StoredAnalysis, 'regions'> & { regions: RegionRow[] | null }, instances: Instance[]): StudyAnalysis {
  const instance = instances.find(({ id }) => id === analysis.instance);
  const header: Dataset = instance?.header ?? {};
  const { severity, ...outcome } = { severity: null, ...outcomeOf(analysis) };
  return {
    sopInstanceUid: instance?.sopInstanceUid ?? '',
    frame: analysis.frame,
    model: { name: analysis.modelName, version: analysis.modelVersion, sha256: analysis.modelSha256 },
    finding: analysis.finding,
    sought: analysis.sought,
    rows: num(header, 'Rows') ?? 0,
    columns: num(header, 'Columns') ?? 0,
    ...outcome,
    ...(outcome.status === 'analyzed' && { threshold: analysis.threshold }),
    ...severityAnswer(severity),
  };
}
