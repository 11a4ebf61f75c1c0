// The DICOM results of `hilum analyze --out FOLDER`: for each study and model the report, in both its forms, and the overlays.
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AnalysisOutcome } from '../../ai/analysis.ts';
import type { EncodedResult, OutcomeImage, StudyOutcome } from '../../ai/results/outcome.ts';
import { eachOverlay } from '../../ai/results/overlay.ts';
import { encodeReport } from '../../ai/results/structured-report.ts';
import type { ModelPackage } from '../../ai/runtime/manifest.ts';
import type { Settings } from '../../config/settings.ts';
import { text } from '../../storage/dicom/dataset.ts';
import { frameCount } from '../../storage/dicom/frames.ts';
import type { Part10 } from '../../storage/dicom/part10.ts';

export interface AnalyzedFrame {
  file: Part10;
  digest: string;
  /** From 1. */
  frame: number;
  /** Name of the model. */
  model: string;
  outcome: AnalysisOutcome;
}

export class ResultWriter {
  readonly #folder: string;
  readonly #settings: Settings;
  readonly #models: ModelPackage[];
  /** By study and model. */
  readonly #frames = new Map<string, AnalyzedFrame[]>();

  /** @throws what the file system throws where the folder cannot be made */
  static async open(folder: string, settings: Settings, models: ModelPackage[]): Promise<ResultWriter> {
    await mkdir(folder, { recursive: true });
    return new ResultWriter(folder, settings, models);
  }

  private constructor(folder: string, settings: Settings, models: ModelPackage[]) {
    this.#folder = folder;
    this.#settings = settings;
    this.#models = models;
  }

  /** A file without a Study Instance UID is of no study, so there is no report for it. */
  add(analyzed: AnalyzedFrame): void {
    const study = text(analyzed.file.dataset, 'StudyInstanceUID');
    if (study === undefined) return;
    const key = `${study} ${analyzed.model}`;
    this.#frames.set(key, [...(this.#frames.get(key) ?? []), analyzed]);
  }

  /** Writes `<SOP Instance UID>.dcm` for each result; @returns the paths */
  async write(): Promise<string[]> {
    const paths: string[] = [];
    for (const frames of this.#frames.values()) {
      const outcome = this.#studyOutcome(frames);
      for (const report of encodeReport(outcome)) paths.push(await this.#writeOne(report));
      for await (const overlay of eachOverlay(outcome)) paths.push(await this.#writeOne(overlay));
    }
    return paths;
  }

  async #writeOne({ sopInstanceUid, bytes }: EncodedResult): Promise<string> {
    const path = join(this.#folder, `${sopInstanceUid}.dcm`);
    await writeFile(path, bytes);
    return path;
  }

  #studyOutcome(frames: AnalyzedFrame[]): StudyOutcome {
    const model = this.#models.find(({ manifest }) => manifest.name === frames[0]?.model)!;
    const createdAt = new Date().toISOString();
    return {
      uidRoot: this.#settings.uidRoot,
      timezone: this.#settings.timezone,
      // The time is part of it, so that results made twice are not one UID with two contents.
      settingsDigest: createHash('sha256').update(`${JSON.stringify(this.#settings.inference)} ${createdAt}`).digest('hex'),
      createdAt,
      version: 1,
      model: model.identity,
      labels: model.manifest.labels,
      intendedUse: model.manifest.intendedUse,
      images: frames.toSorted((one, other) => one.frame - other.frame).map((frame) => outcomeImage(frame, createdAt)),
    };
  }
}

function outcomeImage({ file, digest, frame, outcome }: AnalyzedFrame, analyzedAt: string): OutcomeImage {
  return {
    path: file.path,
    header: file.dataset,
    digest,
    sopInstanceUid: text(file.dataset, 'SOPInstanceUID') ?? '',
    sopClassUid: text(file.dataset, 'SOPClassUID') ?? '',
    seriesInstanceUid: text(file.dataset, 'SeriesInstanceUID') ?? '',
    frame,
    frames: frameCount(file.dataset),
    analyzedAt,
    outcome,
  };
}
