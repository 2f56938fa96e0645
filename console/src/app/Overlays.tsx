import '@mantine/notifications/styles.css';
import { Notifications } from '@mantine/notifications';
import { ProofGate } from '../session/ProofGate';

/** What shows above every page when there is something to say or to ask. */
export default function Overlays() {
  return (
    <>
      <Notifications position="bottom-right" />
      <ProofGate />
    </>
  );
}
