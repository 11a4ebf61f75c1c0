// A caller of UPS-RS: an orchestrator, a worker from outside, a subscriber.
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { code, dataset, text, type Dataset } from '../../storage/dicom/dataset.ts';
import { datasetJson } from '../../storage/dicom/json.ts';
import { ANALYSIS_CODE } from '../../storage/ups/step.ts';
import { waitFor } from './gateway.ts';

export const OTHER_CODE = code('110005', 'DCM', 'Interpretation');

/** A step as PS3.4 table CC.2.5-3 wants it of whoever creates one. */
export function newStep(values: Record<string, unknown> = {}): Dataset {
  return dataset({
    ScheduledProcedureStepPriority: 'MEDIUM',
    ProcedureStepLabel: 'Test',
    WorklistLabel: 'tests',
    ScheduledProcessingParametersSequence: null,
    ScheduledStationNameCodeSequence: null,
    ScheduledStationClassCodeSequence: null,
    ScheduledStationGeographicLocationCodeSequence: null,
    ScheduledProcedureStepStartDateTime: '20261120120000',
    ScheduledWorkitemCodeSequence: [OTHER_CODE],
    CommentsOnTheScheduledProcedureStep: null,
    InputReadinessState: 'READY',
    InputInformationSequence: null,
    PatientName: { Alphabetic: 'Test^Ups' },
    PatientID: 'UPS1',
    PatientBirthDate: null,
    PatientSex: null,
    AdmissionID: null,
    IssuerOfAdmissionIDSequence: null,
    AdmittingDiagnosesDescription: null,
    AdmittingDiagnosesCodeSequence: null,
    ReferencedRequestSequence: null,
    ProcedureStepState: 'SCHEDULED',
    ProcedureStepProgressInformationSequence: null,
    UnifiedProcedureStepPerformedProcedureSequence: null,
    ...values,
  });
}

/** An order for an analysis. @param models by name; none: those of the study's route */
export function newOrder(studyInstanceUid: string, models: string[] = [], values: Record<string, unknown> = {}): Dataset {
  const parameter = (name: string) => dataset({ ValueType: 'TEXT', ConceptNameCodeSequence: [code('111001', 'DCM', 'Algorithm Name')], TextValue: name });
  return newStep({
    ScheduledWorkitemCodeSequence: [ANALYSIS_CODE],
    InputInformationSequence: [dataset({ TypeOfInstances: 'DICOM', StudyInstanceUID: studyInstanceUid })],
    ScheduledProcessingParametersSequence: models.length > 0 ? models.map(parameter) : null,
    ...values,
  });
}

export const performed = (values: Record<string, unknown> = {}): Dataset =>
  dataset({
    PerformedStationNameCodeSequence: [code('WORKER', '99TEST', 'A worker')],
    PerformedProcedureStepStartDateTime: '20261120120000',
    PerformedProcedureStepEndDateTime: '20261120120100',
    PerformedWorkitemCodeSequence: [OTHER_CODE],
    OutputInformationSequence: null,
    ...values,
  });

export class UpsClient {
  readonly #root: string;
  readonly #headers: Record<string, string>;

  constructor(api: string, headers: Record<string, string> = {}) {
    this.#root = `${api}/dicomweb`;
    this.#headers = headers;
  }

  send(method: string, path: string, body?: Dataset | string, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(`${this.#root}${path}`, {
      method,
      headers: { ...this.#headers, ...(body !== undefined && { 'Content-Type': 'application/dicom+json' }), ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : datasetJson(body) }),
    });
  }

  create(step: Dataset, uid?: string): Promise<Response> {
    return this.send('POST', `/workitems${uid === undefined ? '' : `?${uid}`}`, step);
  }

  state(uid: string, state: string, transactionUid: string | undefined): Promise<Response> {
    return this.send('PUT', `/workitems/${uid}/state`, dataset({ ProcedureStepState: state, TransactionUID: transactionUid }));
  }

  update(uid: string, values: Record<string, unknown>, transactionUid?: string): Promise<Response> {
    return this.send('POST', `/workitems/${uid}${transactionUid === undefined ? '' : `?${transactionUid}`}`, dataset(values));
  }

  async step(uid: string): Promise<Dataset> {
    const response = await this.send('GET', `/workitems/${uid}`);
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return ((await response.json()) as Dataset[])[0]!;
  }

  async search(query: string): Promise<Dataset[]> {
    const response = await this.send('GET', `/workitems?${query}`);
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
    return (await response.json()) as Dataset[];
  }

  /** Waits until a step is in a state. */
  reached(uid: string, state: string): Promise<Dataset> {
    return waitFor(async () => {
      const step = await this.step(uid);
      const now = text(step, 'ProcedureStepState');
      if (now !== state && (now === 'COMPLETED' || now === 'CANCELED')) throw new Error(`step ${uid} is ${now}: ${JSON.stringify(step['00741002'])}`);
      return now === state && step;
    }, `step ${uid} as ${state}`);
  }

  subscribe(uid: string, aeTitle: string, query = ''): Promise<Response> {
    return this.send('POST', `/workitems/${uid}/subscribers/${aeTitle}${query}`);
  }

  listen(aeTitle: string, options: { origin?: string } = {}): Promise<Subscriber> {
    return Subscriber.open(`${this.#root.replace(/^http/, 'ws')}/subscribers/${aeTitle}`, { headers: this.#headers, ...options });
  }
}

/** What came over a notification connection, in order. */
export class Subscriber {
  readonly events: Dataset[] = [];
  readonly #socket: WebSocket;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data: Buffer) => void this.events.push(JSON.parse(data.toString('utf8')) as Dataset));
  }

  /** @throws {Error} with the status where the upgrade is refused */
  static async open(url: string, options: { headers: Record<string, string>; origin?: string }): Promise<Subscriber> {
    const socket = new WebSocket(url, options);
    const subscriber = new Subscriber(socket);
    await once(socket, 'open');
    return subscriber;
  }

  /** Of one step: state and progress in words, as they came. */
  of(uid: string): string[] {
    return this.events.filter((event) => text(event, 'AffectedSOPInstanceUID') === uid).map(wordsOf);
  }

  /** Waits for this many events of a step. */
  async wait(uid: string, count: number): Promise<string[]> {
    return waitFor(async () => this.of(uid).length >= count && this.of(uid), `${count} events of ${uid}; there are ${JSON.stringify(this.of(uid))}`, 20_000);
  }

  get closed(): Promise<number> {
    return new Promise((resolve) => this.#socket.once('close', (status) => resolve(status)));
  }

  async close(): Promise<void> {
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await closed;
  }
}

function wordsOf(event: Dataset): string {
  const type = Number(text(event, 'EventTypeID'));
  if (type === 1) return `${text(event, 'ProcedureStepState')} ${text(event, 'InputReadinessState')}`;
  if (type === 2) return `cancel requested: ${text(event, 'ReasonForCancellation') ?? ''}`;
  if (type === 3) return `progress ${text((event['00741002']?.Value?.[0] ?? {}) as Dataset, 'ProcedureStepProgress') ?? ''}`;
  if (type === 5) return 'assigned';
  return `SCP ${text(event, 'SCPStatus')}`;
}
