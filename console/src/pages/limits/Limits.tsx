import { Choices } from '../../ui/Choices';
import { Page } from '../../ui/Page';
import { Budgets } from './Budgets';
import { Rates } from './Rates';

/** What stops requests, or tells when much is spent. */
export default function Limits() {
  return (
    <Page
      title="Limits"
      lead="Hard budgets stop the very next request and are never exceeded. Soft ones tell you."
    >
      <Choices
        label="Limits"
        choices={[
          { id: 'budgets', name: 'Budgets', view: <Budgets /> },
          { id: 'rates', name: 'Rate limits', view: <Rates /> },
        ]}
      />
    </Page>
  );
}
