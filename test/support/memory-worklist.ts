// A worklist in memory, for tests of the HTTP surface and the page: entries stay in the order in which a test puts them.
import type { ReadingState, StudyDetail, WorklistEvents, WorklistSource } from '../../gateway/worklist/worklist.ts';

export class MemoryWorklist implements WorklistSource, WorklistEvents {
  #studies: StudyDetail[] = [];
  readonly #listeners = new Set<(studyInstanceUid: string) => void>();

  /** Puts a study at a place, or moves it there, and tells the listeners. */
  put(study: StudyDetail, place = this.#studies.length): void {
    this.#studies = this.#studies.filter((other) => other.studyInstanceUid !== study.studyInstanceUid);
    this.#studies.splice(place, 0, study);
    this.tell(study.studyInstanceUid);
  }

  tell(studyInstanceUid: string): void {
    for (const listener of this.#listeners) listener(studyInstanceUid);
  }

  get listenerCount(): number {
    return this.#listeners.size;
  }

  async list({ limit, after }: { limit: number; after?: string | undefined }) {
    const start = after === undefined ? 0 : this.#studies.findIndex((study) => study.studyInstanceUid === after) + 1;
    const entries = this.#studies.slice(start, start + limit);
    return { entries, next: start + limit < this.#studies.length ? entries.at(-1)!.studyInstanceUid : null };
  }

  async study(studyInstanceUid: string): Promise<StudyDetail | undefined> {
    return this.#studies.find((study) => study.studyInstanceUid === studyInstanceUid);
  }

  async setReading(studyInstanceUid: string, reading: ReadingState): Promise<boolean> {
    const study = await this.study(studyInstanceUid);
    if (study === undefined) return false;
    study.reading = reading;
    this.tell(studyInstanceUid);
    return true;
  }

  subscribe(listener: (studyInstanceUid: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** A study as the database would give it; anything can be said otherwise. */
export function studyDetail(number: number, values: Partial<StudyDetail> = {}): StudyDetail {
  const studyInstanceUid = `2.25.1000.${number}`;
  const sopInstanceUid = `${studyInstanceUid}.1.1`;
  const seriesInstanceUid = `${studyInstanceUid}.1`;
  return {
    studyInstanceUid,
    severity: null,
    severityReason: null,
    patientName: `Test^Patient ${number}`,
    patientId: `ID${number}`,
    patientSex: 'F',
    patientAge: '064Y',
    accessionNumber: `A${number}`,
    studyDate: '20261120',
    studyTime: '081500',
    description: 'Chest PA',
    modalities: ['DX'],
    receivedAt: new Date(Date.now() - number * 60_000).toISOString(),
    images: 1,
    intake: 'complete',
    analysis: 'analyzed',
    reason: null,
    delivery: 'delivered',
    reading: 'unread',
    finding: 'Opacity',
    sought: 'Opacity',
    probability: 0.1,
    positive: false,
    threshold: 0.5,
    regions: 0,
    overlay: null,
    flagged: null,
    route: 'chest radiographs',
    instances: [
      {
        sopInstanceUid,
        seriesInstanceUid,
        sopClassUid: '1.2.840.10008.5.1.4.1.1.1.1',
        modality: 'DX',
        version: 1,
        current: true,
        receivedAt: new Date(Date.now() - number * 60_000).toISOString(),
        callingAe: 'DXROOM1',
        address: '10.1.2.3',
        transport: 'dimse',
        transferSyntaxUid: '1.2.840.10008.1.2.1',
        leftOut: [],
      },
    ],
    analyses: [],
    results: [],
    deliveries: [],
    ...values,
  };
}
