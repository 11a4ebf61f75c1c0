// What subscribers are told of a step (PS3.4 table CC.2.4-1): written down in the transaction that changes it, so that each hears of
// every change in its order, whether or not its connection is open at that moment.
import type { EntityManager } from 'typeorm';
import { dataset, get, items, text, type Dataset } from '../dicom/dataset.ts';
import { UPS_PUSH_CLASS } from './step.ts';

export const UPS_CHANNEL = 'hilum_ups';

export const EVENT_TYPE = { state: 1, cancelRequested: 2, progress: 3, scpStatus: 4, assigned: 5 } as const;

export interface StepEvent {
  type: (typeof EVENT_TYPE)[keyof typeof EVENT_TYPE];
  attributes: Dataset;
}

/** UPS State Report, with the reason where it was canceled. */
export function stateReport(step: Dataset): StepEvent {
  const [progress] = items(step, 'ProcedureStepProgressInformationSequence');
  return {
    type: EVENT_TYPE.state,
    attributes: dataset({
      ProcedureStepState: text(step, 'ProcedureStepState') ?? null,
      InputReadinessState: text(step, 'InputReadinessState') ?? null,
      ReasonForCancellation: progress && text(progress, 'ReasonForCancellation'),
      ...copied(progress, ['ProcedureStepDiscontinuationReasonCodeSequence']),
    }),
  };
}

export function progressReport(step: Dataset): StepEvent {
  return { type: EVENT_TYPE.progress, attributes: copied(step, ['ProcedureStepProgressInformationSequence']) };
}

/** UPS Assigned: who is meant to perform it; undefined where nobody is. */
export function assignedReport(step: Dataset): StepEvent | undefined {
  const keywords = ['ScheduledStationNameCodeSequence', 'ScheduledHumanPerformersSequence'].filter((keyword) => items(step, keyword).length > 0);
  return keywords.length > 0 ? { type: EVENT_TYPE.assigned, attributes: copied(step, keywords) } : undefined;
}

/** @param contents Reason For Cancellation, its code, Contact URI and Contact Display Name, as far as they were given */
export function cancelRequest(requestingAe: string, contents: Dataset): StepEvent {
  const keywords = ['ReasonForCancellation', 'ProcedureStepDiscontinuationReasonCodeSequence', 'ContactURI', 'ContactDisplayName'];
  return { type: EVENT_TYPE.cancelRequested, attributes: { ...dataset({ RequestingAE: requestingAe }), ...copied(contents, keywords) } };
}

/** An N-EVENT-REPORT request as DICOM JSON (PS3.18 8.10.5, PS3.7 table 10.3-1), without its Message ID. */
export function eventReport(uid: string, { type, attributes }: StepEvent): Dataset {
  return {
    ...dataset({ AffectedSOPClassUID: UPS_PUSH_CLASS, CommandField: 0x0100, CommandDataSetType: 0, AffectedSOPInstanceUID: uid, EventTypeID: type }),
    ...attributes,
  };
}

/** Writes down an event for each subscriber of a step. */
export async function tell(transaction: EntityManager, uid: string, events: readonly StepEvent[]): Promise<void> {
  for (const event of events)
    await transaction.query(
      `with told as (
         insert into ups_events (ae_title, event) select ae_title, $2::jsonb from ups_subscriptions where ups = $1 returning ae_title)
       select pg_notify($3, ae_title) from told`,
      [uid, JSON.stringify(eventReport(uid, event)), UPS_CHANNEL],
    );
}

function copied(source: Dataset | undefined, keywords: string[]): Dataset {
  return dataset(Object.fromEntries(keywords.flatMap((keyword) => {
    const element = source && get(source, keyword);
    return element?.Value ? [[keyword, element.Value]] : [];
  })));
}
