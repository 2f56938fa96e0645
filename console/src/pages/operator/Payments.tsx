import { Choices } from '../../ui/Choices';
import { Page } from '../../ui/Page';
import { AllPayments } from './AllPayments';
import { Reconciliations } from './Reconciliations';
import { UnmatchedPayments } from './UnmatchedPayments';

/** What was paid, in every organization, and whether the provider's books say the same. */
export default function Payments() {
  return (
    <Page title="Payments" lead="What was paid by card, and what came in without an order.">
      <Choices
        label="Payments"
        choices={[
          { id: 'payments', name: 'Payments', view: <AllPayments /> },
          { id: 'unmatched', name: 'Without an order', view: <UnmatchedPayments /> },
          { id: 'comparisons', name: 'Comparisons', view: <Reconciliations /> },
        ]}
      />
    </Page>
  );
}
