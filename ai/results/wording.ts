// What results say in words, in one place, so that report and overlay never disagree.
import type { AnalyzedOutcome } from '../analysis.ts';
import { findingLabel, findingLabels, type OutcomeImage, type ResultLabel, type StudyOutcome } from './outcome.ts';
import { severityInFull } from './severity-wording.ts';

/** What a model looks for, in words: its positive labels, 'Bacterial pneumonia or viral pneumonia'. */
export function soughtIn(labels: readonly ResultLabel[]): string {
  const [first = '', ...others] = findingLabels(labels).map(({ code }) => code.meaning);
  return [first, ...others.map(withinSentence)].join(' or ');
}

/** The label that an image was called by; where nothing was found, all that was looked for. */
export function foundOrSought(labels: readonly ResultLabel[], { positive, label }: Pick<AnalyzedOutcome, 'positive' | 'label'>): string {
  return positive ? findingLabel({ labels }, label).code.meaning : soughtIn(labels);
}

/** 'Opacity' -> 'opacity'; an abbreviation stays as it is. */
export function withinSentence(meaning: string): string {
  return /^.[^A-Z0-9]/.test(meaning) ? meaning.charAt(0).toLowerCase() + meaning.slice(1) : meaning;
}

export interface StudySummary {
  total: number;
  analyzed: number;
  positive: number;
  /** The outcome of the study in one or two sentences. */
  sentence: string;
}

export const RESEARCH_USE = 'FOR RESEARCH USE ONLY - NOT FOR DIAGNOSIS';

/** What the study came to: its highest probability counts, and an image that was not analysed never overrides it. */
export function summaryOf(study: StudyOutcome): StudySummary {
  const { images, reason } = study;
  const outcomes = images.map((image) => image.outcome).filter((outcome) => outcome.status === 'analyzed');
  const positive = outcomes.filter((outcome) => outcome.positive).length;
  const total = images.length;
  const analyzed = outcomes.length;
  const sought = withinSentence(soughtIn(study.labels));
  const several = findingLabels(study.labels).length > 1;
  const sentences: string[] = [];
  if (analyzed > 0) {
    const highest = outcomes.reduce((most, outcome) => (outcome.probability > most.probability ? outcome : most));
    const regions = outcomes.filter((outcome) => outcome.positive).reduce((sum, outcome) => sum + outcome.regions.length, 0);
    sentences.push(
      positive > 0
        ? `${foundIn(study, outcomes)} of ${count(analyzed, 'image')} analysed; ${count(regions, 'region')} located.`
        : `No ${sought} found in ${count(analyzed, 'image')} analysed.`,
      `Highest probability ${several ? `of ${sought} ` : ''}${percent(highest.probability, highest.threshold)}${several ? `: ${eachInWords(study.labels, highest)}` : ''}.`,
      ...(highest.severity ? [severityInFull(highest.severity)] : []),
    );
  } else {
    sentences.push(`No image could be analysed: no statement about ${sought}.`);
  }
  if (analyzed > 0 && analyzed < total) sentences.push(`${count(total - analyzed, 'image')} not analysed.`);
  if (reason !== undefined) sentences.push(`Reason: ${sentence(reason)}`);
  return { total, analyzed, positive, sentence: sentences.join(' ') };
}

/** 'Bacterial pneumonia found in 2, viral pneumonia found in 1': by how images were called. */
function foundIn({ labels }: StudyOutcome, outcomes: readonly AnalyzedOutcome[]): string {
  const called = outcomes.filter(({ positive }) => positive).map(({ label }) => findingLabel({ labels }, label).code.meaning);
  const [first = '', ...others] = [...new Set(called)].map((meaning) => `${meaning} found in ${called.filter((each) => each === meaning).length}`);
  return [first, ...others.map(withinSentence)].join(', ');
}

/** 'bacterial pneumonia 60 %, viral pneumonia 33 %': where several are added up, what each is by itself. */
function eachInWords(labels: readonly ResultLabel[], { scores }: AnalyzedOutcome): string {
  return findingLabels(labels).map(({ name, code }) => `${withinSentence(code.meaning)} ${percent(scores[name] ?? 0)}`).join(', ');
}

/** 'Opacity found', 'No opacity found': the finding of one image. */
export function findingStatement(study: StudyOutcome, outcome: AnalyzedOutcome): string {
  const finding = foundOrSought(study.labels, outcome);
  return outcome.positive ? `${finding} found` : `No ${withinSentence(finding)} found`;
}

/** Why there is no analysis of this image, in words. */
export function missingAnalysis(image: OutcomeImage): string | undefined {
  const { outcome } = image;
  if (outcome.status === 'not-analyzable') return `Not analysed: ${sentence(outcome.reason)}`;
  if (outcome.status === 'failed') return `Analysis failed: ${sentence(outcome.reason)}`;
  return undefined;
}

/** 0.934 -> '93 %'; never rounded up to certainty or down to impossibility. */
/**
 * Whole per cent, never 0 or 100 unless it is.
 * @param threshold where rounding would make the two look alike, more decimals tell them apart
 */
export function percent(probability: number, threshold?: number): string {
  if (threshold !== undefined && probability !== threshold)
    for (const decimals of [0, 1, 2, 3])
      if ((probability * 100).toFixed(decimals) !== (threshold * 100).toFixed(decimals)) {
        if (decimals > 0) return `${(probability * 100).toFixed(decimals)} %`;
        break;
      }
  if (probability > 0 && probability < 0.01) return '<1 %';
  if (probability < 1 && probability > 0.99) return '>99 %';
  return `${Math.round(probability * 100)} %`;
}

export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

function sentence(text: string): string {
  const trimmed = text.trim() || 'no reason given';
  return /[.!?]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}
