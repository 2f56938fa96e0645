import { useMay } from '../../session/me';
import { Choices } from '../../ui/Choices';
import { Page } from '../../ui/Page';
import { AutoRecharge } from './AutoRecharge';
import { Balance } from './Balance';
import { Buy } from './Buy';
import { Methods } from './Methods';
import { Movements } from './Movements';
import { Payments } from './Payments';
import { Profile } from './Profile';
import { Receipts } from './Receipts';
import { Redeem } from './Redeem';
import { Statements } from './Statements';

/** Prepaid credit: what there is, how more comes, and where it went. */
export default function Billing() {
  const mayWrite = useMay('api.billing.write');
  return (
    <Page title="Billing" lead="Calls are paid from prepaid credit. Without it, none is served.">
      <Choices
        label="Billing"
        choices={[
          {
            id: 'overview',
            name: 'Overview',
            view: (
              <>
                <Balance />
                <Buy />
                {mayWrite && <Redeem />}
              </>
            ),
          },
          {
            id: 'methods',
            name: 'Cards and auto-recharge',
            view: (
              <>
                <Methods />
                <AutoRecharge />
              </>
            ),
          },
          { id: 'movements', name: 'Movements', view: <Movements /> },
          { id: 'payments', name: 'Payments', view: <Payments /> },
          {
            id: 'documents',
            name: 'Receipts and statements',
            view: (
              <>
                <Receipts />
                <Statements />
                <Profile />
              </>
            ),
          },
        ]}
      />
    </Page>
  );
}
